// Keeps calls of Quotes/Ask outstanding over one channel and measures them, as ../c/client.c does:
// client HOST:PORT OUTSTANDING SECONDS
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <unistd.h>

#include <grpcpp/grpcpp.h>

#include "../c/measure.h"
#include "benchmark/quote/v1/quote.grpc.pb.h"

using namespace benchmark::quote::v1;

struct Call {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<AskReply>> reader;
    AskRequest request;
    AskReply reply;
    grpc::Status status;
    uint64_t started;
};

static std::unique_ptr<Quotes::Stub> stub;
static grpc::CompletionQueue queue;
static uint64_t sequence;
static Histogram histogram;

static void start(Call *call) {
    call->context = std::make_unique<grpc::ClientContext>();
    call->context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    call->request.set_specification("acp.basic.small");
    call->request.set_region("eu-frankfurt-1");
    call->request.set_instances(10 + uint32_t(sequence % 90));
    call->request.set_months(12);
    call->request.set_at(1750000000000 + int64_t(sequence & 0xfffff));
    sequence++;
    call->started = now_ns();
    call->reader = stub->AsyncAsk(call->context.get(), call->request, &queue);
    call->reader->Finish(&call->reply, &call->status, call);
}

// Calls for a time, and returns the seconds that it took.
static double run(double seconds) {
    uint64_t begin = now_ns(), end = begin + uint64_t(seconds * 1e9), now = begin;
    while (now < end) {
        void *tag;
        bool ok;
        if (!queue.Next(&tag, &ok)) exit(1);
        Call *call = static_cast<Call *>(tag);
        now = now_ns();
        if (!ok || !call->status.ok() || call->reply.levels_size() != 3 ||
            call->reply.total_micros() + call->reply.discount_micros() != call->reply.gross_micros()) {
            fprintf(stderr, "client: a call failed: %s\n", call->status.error_message().c_str());
            exit(1);
        }
        record(&histogram, now - call->started);
        start(call);
    }
    return double(now - begin) / 1e9;
}

int main(int count, char **arguments) {
    if (count != 4) return fprintf(stderr, "usage: client HOST:PORT OUTSTANDING SECONDS\n"), 2;
    stub = Quotes::NewStub(grpc::CreateChannel(arguments[1], grpc::InsecureChannelCredentials()));
    int outstanding = atoi(arguments[2]);
    for (int i = 0; i < outstanding; i++) start(new Call);
    run(0.3);
    histogram = {};
    printf("start\n");
    fflush(stdout);
    double cpu = cpu_seconds(), taken = run(atof(arguments[3]));
    cpu = cpu_seconds() - cpu;
    printf(
        "{\"calls\": %llu, \"seconds\": %.6f, \"calls_per_s\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
        "\"client_cpu_s\": %.4f, \"wrong\": 0}\n",
        (unsigned long long)histogram.count, taken, double(histogram.count) / taken, percentile_us(&histogram, 0.5),
        percentile_us(&histogram, 0.99), cpu);
    fflush(stdout);
    _exit(0);
}
