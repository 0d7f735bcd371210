// Answers Quotes/Ask as fast as C can: server ENDPOINT [--coalesce]. Ends with SIGTERM.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "quote.h"

static const uint64_t boot = 0x1122334455667788;
static bool coalesce;
static uint32_t method;
static void *sock;
// Records for the peer `to` that are not sent yet.
static uint8_t out[MOST_BYTES + 4096];
static size_t out_bytes;
static int out_records;
static zmq_msg_t to;

static void stop(const char *what) {
    fprintf(stderr, "server: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

static void flush_replies(void) {
    if (out_records == 0) return;
    zmq_msg_t id;
    zmq_msg_init(&id);
    zmq_msg_copy(&id, &to);
    if (zmq_msg_send(&id, sock, ZMQ_SNDMORE) < 0 || zmq_send(sock, out, out_bytes, 0) < 0) stop("send");
    out_bytes = 0;
    out_records = 0;
}

static void call(const Header *header, const uint8_t *body) {
    if (header->method != method || header->budget == 0 || header->body_length > 1024) {
        fprintf(stderr, "server: refused a call\n");
        return;
    }
    arena.used = 0;
    AskRequest *request = benchmark__quote__v1__ask_request__unpack(&arena_allocator, header->body_length, body);
    if (!request) {
        fprintf(stderr, "server: a body cannot be read\n");
        return;
    }
    out_bytes += write_record(out + out_bytes, REPLY, method, header->call, boot, 0, &answer(request)->base);
    if (++out_records == (coalesce ? MOST_RECORDS : 1) || out_bytes > MOST_BYTES - 4096) flush_replies();
}

// Returns false when there is nothing to read.
static bool receive(int flags) {
    zmq_msg_t id, message;
    zmq_msg_init(&id);
    if (zmq_msg_recv(&id, sock, flags) < 0) {
        if (errno != EAGAIN && errno != EINTR) stop("receive");
        return false;
    }
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, sock, 0) < 0) stop("receive");
    if (zmq_msg_size(&id) != zmq_msg_size(&to) || memcmp(zmq_msg_data(&id), zmq_msg_data(&to), zmq_msg_size(&to))) {
        flush_replies();
        zmq_msg_move(&to, &id);
    }
    const uint8_t *at = zmq_msg_data(&message), *end = at + zmq_msg_size(&message), *body;
    Header header;
    int found;
    while ((found = next_record(&at, end, REQUEST, &header, &body)) > 0) call(&header, body);
    if (found < 0) fprintf(stderr, "server: a record cannot be read\n");
    zmq_msg_close(&message);
    zmq_msg_close(&id);
    return true;
}

int main(int count, char **arguments) {
    if (count < 2) return fprintf(stderr, "usage: server ENDPOINT [--coalesce]\n"), 2;
    coalesce = count > 2 && !strcmp(arguments[2], "--coalesce");
    method = fnv1a(METHOD_ASK);
    void *context = zmq_ctx_new();
    sock = zmq_socket(context, ZMQ_ROUTER);
    zmq_msg_init(&to);
    if (zmq_bind(sock, arguments[1])) stop("bind");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        while (receive(ZMQ_DONTWAIT)) {}
        flush_replies();
        // Nothing else is waited for, so the wait may as well read.
        receive(0);
    }
}
