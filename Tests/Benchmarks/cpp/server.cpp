// Answers Quotes/Ask by gRPC's asynchronous API, one thread and one completion queue: server HOST:PORT. Ends with SIGTERM.
#include <cstdio>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "benchmark/quote/v1/quote.grpc.pb.h"

using namespace benchmark::quote::v1;

static void answer(const AskRequest &request, AskReply &reply) {
    const int64_t month_micros = 297171000;
    int64_t gross = month_micros * request.instances() * request.months();
    reply.set_specification(request.specification());
    reply.set_region(request.region());
    reply.set_instances(request.instances());
    reply.set_price_list_version(7);
    reply.set_gross_micros(gross);
    reply.set_discount_micros(gross / 10);
    reply.set_total_micros(gross - gross / 10);
    reply.set_valid_until(request.at() + 900000);
    for (int i = 0; i < 3; i++) {
        PriceLevel *level = reply.add_levels();
        level->set_instances(50 * (i + 1));
        level->set_month_micros(month_micros + 1000 * i);
        level->set_unit_nanos(level->month_micros() * 100);
    }
}

// A call from its arrival to the end of its answer; then it makes way for the next one.
class Call {
public:
    Call(Quotes::AsyncService &service, grpc::ServerCompletionQueue &queue)
        : service(service), queue(queue), writer(&context) {
        service.RequestAsk(&context, &request, &writer, &queue, &queue, this);
    }

    void proceed() {
        if (answered) {
            delete this;
            return;
        }
        new Call(service, queue);
        AskReply reply;
        answer(request, reply);
        answered = true;
        writer.Finish(reply, grpc::Status::OK, this);
    }

private:
    Quotes::AsyncService &service;
    grpc::ServerCompletionQueue &queue;
    grpc::ServerContext context;
    AskRequest request;
    grpc::ServerAsyncResponseWriter<AskReply> writer;
    bool answered = false;
};

int main(int count, char **arguments) {
    if (count != 2) return fprintf(stderr, "usage: server HOST:PORT\n"), 2;
    Quotes::AsyncService service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(arguments[1], grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    auto queue = builder.AddCompletionQueue();
    auto server = builder.BuildAndStart();
    if (!server || port == 0) return fprintf(stderr, "server: cannot listen at %s\n", arguments[1]), 1;
    // As many calls as may come at once.
    for (int i = 0; i < 512; i++) new Call(service, *queue);
    printf("ready\n");
    fflush(stdout);
    void *tag;
    bool ok;
    while (queue->Next(&tag, &ok)) {
        if (ok) static_cast<Call *>(tag)->proceed();
        else delete static_cast<Call *>(tag);
    }
}
