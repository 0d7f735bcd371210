// Keeps calls of Quotes/Ask outstanding and measures them:
// client ENDPOINT OUTSTANDING SECONDS [--coalesce] [--warm SECONDS]
// Prints "start" when the measurement begins and a line of JSON when it is over.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "measure.h"
#include "quote.h"

enum { MOST_OUTSTANDING = 4096 };

static void *sock;
static uint32_t method;
static bool coalesce;
static uint64_t sequence, started[MOST_OUTSTANDING], ids[MOST_OUTSTANDING];
// Slots whose calls are answered, and which the next calls take.
static int idle[MOST_OUTSTANDING], idle_count;
static uint8_t out[MOST_BYTES + 4096];
static Histogram histogram;
static uint64_t wrong;

static void stop(const char *what) {
    fprintf(stderr, "client: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

static void send_calls(void) {
    static char specification[] = "acp.basic.small", region[] = "eu-frankfurt-1";
    size_t bytes = 0;
    int records = 0;
    while (idle_count > 0) {
        int slot = idle[--idle_count];
        AskRequest request = BENCHMARK__QUOTE__V1__ASK_REQUEST__INIT;
        request.specification = specification;
        request.region = region;
        request.instances = 10 + (uint32_t)(sequence % 90);
        request.months = 12;
        request.at = 1750000000000 + (int64_t)(sequence & 0xfffff);
        ids[slot] = sequence++ << 12 | (uint64_t)slot;
        started[slot] = now_ns();
        bytes += write_record(out + bytes, REQUEST, method, ids[slot], 0, 5000, &request.base);
        if (++records == (coalesce ? MOST_RECORDS : 1) || bytes > MOST_BYTES - 4096 || idle_count == 0) {
            if (zmq_send(sock, out, bytes, 0) < 0) stop("send");
            bytes = 0;
            records = 0;
        }
    }
}

static void received(const Header *header, const uint8_t *body, uint64_t now) {
    int slot = (int)(header->call & (MOST_OUTSTANDING - 1));
    arena.used = 0;
    AskReply *reply = NULL;
    if (header->call == ids[slot] && header->status == 0)
        reply = benchmark__quote__v1__ask_reply__unpack(&arena_allocator, header->body_length, body);
    if (!reply || reply->n_levels != 3 || reply->total_micros + reply->discount_micros != reply->gross_micros) {
        wrong++;
        return;
    }
    record(&histogram, now - started[slot]);
    idle[idle_count++] = slot;
}

// Returns false when there is nothing to read.
static bool receive(int flags) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, sock, flags) < 0) {
        if (errno != EAGAIN && errno != EINTR) stop("receive");
        return false;
    }
    const uint8_t *at = zmq_msg_data(&message), *end = at + zmq_msg_size(&message), *body;
    Header header;
    int found;
    uint64_t now = now_ns();
    while ((found = next_record(&at, end, REPLY, &header, &body)) > 0) received(&header, body, now);
    if (found < 0) wrong++;
    zmq_msg_close(&message);
    return true;
}

// Calls for a time, and returns the seconds that it took.
static double run(double seconds) {
    uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9), now;
    do {
        send_calls();
        // A burst is read to its end before its calls are made anew, so that they travel together as well.
        receive(0);
        while (receive(ZMQ_DONTWAIT)) {}
        now = now_ns();
    } while (now < end);
    return (double)(now - begin) / 1e9;
}

int main(int count, char **arguments) {
    if (count < 4) return fprintf(stderr, "usage: client ENDPOINT OUTSTANDING SECONDS [options]\n"), 2;
    int outstanding = atoi(arguments[2]);
    double seconds = atof(arguments[3]), warm = 0.3;
    for (int i = 4; i < count; i++) {
        if (!strcmp(arguments[i], "--coalesce")) coalesce = true;
        else if (!strcmp(arguments[i], "--warm") && i + 1 < count) warm = atof(arguments[++i]);
        else return fprintf(stderr, "client: unknown option %s\n", arguments[i]), 2;
    }
    if (outstanding < 1 || outstanding > MOST_OUTSTANDING) return 2;
    method = fnv1a(METHOD_ASK);
    sock = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
    if (zmq_connect(sock, arguments[1])) stop("connect");
    for (int slot = 0; slot < outstanding; slot++) idle[idle_count++] = slot;
    run(warm);
    printf("start\n");
    fflush(stdout);
    memset(&histogram, 0, sizeof histogram);
    double cpu = cpu_seconds(), taken = run(seconds);
    cpu = cpu_seconds() - cpu;
    printf(
        "{\"calls\": %llu, \"seconds\": %.6f, \"calls_per_s\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
        "\"client_cpu_s\": %.4f, \"wrong\": %llu}\n",
        (unsigned long long)histogram.count, taken, (double)histogram.count / taken, percentile_us(&histogram, 0.5),
        percentile_us(&histogram, 0.99), cpu, (unsigned long long)wrong);
    fflush(stdout);
    // libzmq may wait for its peer; nothing is left to be told.
    _exit(wrong != 0);
}
