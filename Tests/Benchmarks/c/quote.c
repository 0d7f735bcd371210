#include "quote.h"

Arena arena;

static void *take(void *data, size_t size) {
    (void)data;
    size = (size + 15) & ~(size_t)15;
    if (size > sizeof arena.bytes - arena.used) return NULL;
    void *memory = arena.bytes + arena.used;
    arena.used += size;
    return memory;
}

static void keep(void *data, void *memory) {
    (void)data;
    (void)memory;
}

ProtobufCAllocator arena_allocator = {take, keep, NULL};

uint32_t fnv1a(const char *name) {
    uint32_t value = 0x811c9dc5;
    for (; *name; name++) value = (value ^ (uint8_t)*name) * 0x01000193;
    return value;
}

AskReply *answer(const AskRequest *request) {
    static AskReply reply;
    static PriceLevel levels[3];
    static PriceLevel *list[3];
    const int64_t month_micros = 297171000;
    int64_t gross = month_micros * request->instances * request->months;
    benchmark__quote__v1__ask_reply__init(&reply);
    reply.specification = request->specification;
    reply.region = request->region;
    reply.instances = request->instances;
    reply.price_list_version = 7;
    reply.gross_micros = gross;
    reply.discount_micros = gross / 10;
    reply.total_micros = gross - gross / 10;
    reply.valid_until = request->at + 900000;
    for (int i = 0; i < 3; i++) {
        benchmark__quote__v1__price_level__init(&levels[i]);
        levels[i].instances = 50 * (i + 1);
        levels[i].month_micros = month_micros + 1000 * i;
        levels[i].unit_nanos = levels[i].month_micros * 100;
        list[i] = &levels[i];
    }
    reply.levels = list;
    reply.n_levels = 3;
    return &reply;
}
