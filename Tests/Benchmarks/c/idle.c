// Connects COUNT clients, sends the first bytes of DATA by each so that the server knows them, and stays until its
// standard input ends: idle ENDPOINT COUNT HEX. Prints "ready" when each has had an answer.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

int main(int count, char **arguments) {
    if (count != 4) return fprintf(stderr, "usage: idle ENDPOINT COUNT HEX\n"), 2;
    int clients = atoi(arguments[2]);
    size_t length = strlen(arguments[3]) / 2;
    unsigned char *data = malloc(length);
    for (size_t i = 0; i < length; i++) sscanf(arguments[3] + 2 * i, "%2hhx", data + i);
    void *context = zmq_ctx_new(), **sockets = calloc((size_t)clients, sizeof *sockets);
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, clients + 8);
    for (int i = 0; i < clients; i++) {
        int none = 0, heartbeat = 1000;
        sockets[i] = zmq_socket(context, ZMQ_DEALER);
        if (!sockets[i]) return perror("idle: socket"), 1;
        zmq_setsockopt(sockets[i], ZMQ_LINGER, &none, sizeof none);
        zmq_setsockopt(sockets[i], ZMQ_HEARTBEAT_IVL, &heartbeat, sizeof heartbeat);
        if (zmq_connect(sockets[i], arguments[1]) || zmq_send(sockets[i], data, length, 0) < 0)
            return perror("idle: connect"), 1;
    }
    char reply[4096];
    for (int i = 0; i < clients; i++)
        if (zmq_recv(sockets[i], reply, sizeof reply, 0) < 0) return perror("idle: receive"), 1;
    printf("ready\n");
    fflush(stdout);
    while (read(0, reply, sizeof reply) > 0) {}
    _exit(0);
}
