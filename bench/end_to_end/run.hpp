// One run end to end, and the series of runs that a comparison is made of.
//
// A run starts fresh processes: the broker (the real program) or zmq_proxy between a producer and a consumer, all on
// TCP loopback. A warm-up goes through first; then N messages, timed from the first send to the last receive. Runs
// alternate, A B C A B C, so that what disturbs the machine for a while disturbs all; medians are compared, and the
// ratio of neighbours is kept, since neighbours in time share their weather.
//
// Thread: one. Errors: exceptions; a run that is not flawless is no measurement.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/end_to_end/clients.hpp"

namespace signalbox::bench {

struct Machinery {
  std::string self;    // this program, which is also the clients and the proxy
  std::string broker;  // the program `signalbox`
};

struct Workload {
  size_t message_bytes = 424;
  uint64_t count = 0;
  uint64_t warm_up = 0;
  uint64_t rate = 0;  // messages a second; 0: as fast as it goes
  size_t batch_bytes = 0;
  uint64_t window = 0;
};

struct RunResult {
  double messages_per_second = 0;
  double seconds = 0;
  double broker_cpu = 0;  // CPU seconds for a million messages, as are the next two
  double producer_cpu = 0;
  double consumer_cpu = 0;
  double steal = 0;    // share of the machine that the hypervisor took
  double foreign = 0;  // share of the machine that went to other processes
  double turns = 0;    // how often the consumer acknowledged (or received, behind the proxy)
  double late_us = 0;  // paced: by how much the latest message left late
  double p50_us = 0;   // paced: one-way latency
  double p99_us = 0;
  double p999_us = 0;
};

RunResult run_once(const Machinery& machinery, Via via, const Workload& workload);

struct Comparison {
  Workload workload;
  std::vector<RunResult> signalbox;
  std::vector<RunResult> worker_library;  // empty: not for this workload
  std::vector<RunResult> proxy;
};

// `runs` rounds, one of each. Flat out with 424 bytes the worker library takes part too. For flat-out workloads
// `seconds` decides how many messages each side moves, by a short run beforehand.
Comparison compare(const Machinery& machinery, Workload workload, int runs, double seconds);

}  // namespace signalbox::bench
