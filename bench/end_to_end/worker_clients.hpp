// The same producer and consumer as in clients.hpp, written as anybody would write them: with the worker library and
// its message type on both sides. The producer makes each message field by field, with an id and a time of its own; the
// consumer has each decoded and reads six of its fields. What is measured is the broker and the library together.
//
// Speak, fail and end as clients.hpp says.
#pragma once

#include "bench/end_to_end/clients.hpp"

namespace signalbox::bench {

int run_worker_producer(const ClientOptions& options);
int run_worker_consumer(const ClientOptions& options);

}  // namespace signalbox::bench
