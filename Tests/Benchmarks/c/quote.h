// What server and client share: the record of Proto/README.md, the arena, and the answer.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "quote.pb-c.h"

typedef Benchmark__Quote__V1__AskRequest AskRequest;
typedef Benchmark__Quote__V1__AskReply AskReply;
typedef Benchmark__Quote__V1__PriceLevel PriceLevel;

// The 72 bytes in front of a body. x86-64 and arm64 have the wire's order of bytes, and the fields lie where C puts them.
typedef struct {
    uint16_t magic;
    uint8_t version, kind, flags, status;
    uint16_t key_length;
    uint32_t method, body_length;
    uint64_t call;
    int64_t effective_at;
    uint64_t epoch, trace, boot;
    uint32_t budget, retry_after;
    uint16_t account_length;
    uint8_t reserved[6];
} Header;
_Static_assert(sizeof(Header) == 72, "the header of Proto/README.md");

enum { MAGIC = 0xB111, VERSION = 1, REQUEST = 1, REPLY = 2, MOST_RECORDS = 64, MOST_BYTES = 64 << 10 };

uint32_t fnv1a(const char *name);
#define METHOD_ASK "benchmark.quote.v1.Quotes/Ask"

// Finds the next record in [*at, end).
// Returns 1 with the header copied and *body set; 0 at the end; -1 for bytes that are no record.
static inline int next_record(const uint8_t **at, const uint8_t *end, uint8_t kind, Header *header, const uint8_t **body) {
    static const uint8_t none[6];
    if (*at == end) return 0;
    if ((size_t)(end - *at) < sizeof *header) return -1;
    memcpy(header, *at, sizeof *header);
    size_t length = sizeof *header + header->key_length + header->account_length + (size_t)header->body_length;
    if (header->magic != MAGIC || header->version != VERSION || header->kind != kind || header->key_length > 64 ||
        header->account_length > 64 || memcmp(header->reserved, none, 6) != 0 || (size_t)(end - *at) < length)
        return -1;
    *body = *at + length - header->body_length;
    *at += length;
    return 1;
}

// Memory handed out by moving a pointer and forgotten all at once.
typedef struct {
    _Alignas(16) uint8_t bytes[64 << 10];
    size_t used;
} Arena;

extern Arena arena;
extern ProtobufCAllocator arena_allocator;

// The reply to `request`; it points at the request's strings, and lives until the next one is made.
AskReply *answer(const AskRequest *request);

// Writes a record to `out`, which has room for it, and returns its length. Packing first and measuring afterwards saves
// protobuf-c a pass over the message.
static inline size_t write_record(
    uint8_t *out, uint8_t kind, uint32_t method, uint64_t call, uint64_t boot, uint32_t budget,
    const ProtobufCMessage *body
) {
    size_t length = protobuf_c_message_pack(body, out + sizeof(Header));
    Header header = {
        .magic = MAGIC, .version = VERSION, .kind = kind, .method = method, .body_length = (uint32_t)length,
        .call = call, .boot = boot, .budget = budget,
    };
    memcpy(out, &header, sizeof header);
    return sizeof header + length;
}
