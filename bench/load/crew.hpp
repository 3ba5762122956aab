// One load run: every transport and every application in a thread of its own, against one broker, until all that was
// sent has been confirmed, and taken or refused.
//
// A run goes through the same steps whatever it measures: all register; a warm-up of the same traffic goes through and
// is settled; the clocks are read; the traffic goes on for its time; what is under way arrives; the clocks are read
// again. So the steps, the pace, the accounts and the watch over the broker are here once, and a scenario is a Plan.
//
// Three paces. As fast as it goes: the window alone holds a transport back. A fixed rate: message i is due at a time
// that was fixed before the run began, and its latency counts from then, sent late or not; what a stall holds up thus
// shows in each message that it held up (no coordinated omission). A number outstanding: a transport sends when a reply
// has come; its latency counts from the send, and says what one of so many users waits for.
//
// The account is exact. Each end knows by the number in a message what it should get: in order, none twice, none that
// is another's. What transports sent, less what was refused, has to be what applications took: by count, and by a sum
// over the numbers themselves, so that no message can stand in for another.
//
// Thread: run() is called by one, and starts one for each client.
// Errors: exceptions: the first fault of any client, or what is missing.
// Bounds: Topology's; a latency takes no memory (histogram.hpp).
// Tested by test_load.py.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "bench/compare/histogram.hpp"
#include "bench/end_to_end/process.hpp"
#include "bench/load/client.hpp"
#include "bench/load/topology.hpp"

namespace signalbox::bench {

struct Plan {
  Topology topology;
  BrokerSettings broker;
  Library library = Library::raw;
  size_t message_bytes = 424;
  double warm_up_s = 0.3;
  double seconds = 1.2;
  uint64_t rate = 0;         // messages a second, by all transports together; 0: not paced
  bool round_trip = false;   // applications answer, and transports wait for the replies
  uint64_t outstanding = 0;  // of a round trip that is not paced: unanswered messages of each transport, at most
  // Of a slow consumer, which is always paced: application 0 reads slowly for so long, `seconds` before its end and
  // `seconds` after its beginning.
  double slow_s = 0;
  uint64_t slow_rate = 0;  // messages a second that it reads then; 0: none

  bool has_slow_consumer() const { return slow_s > 0; }
};

// Before application 0 reads slowly, while it does, and after. Runs without a slow consumer have the first alone.
inline constexpr size_t phase_count = 3;

struct Phase {
  double seconds = 0;
  uint64_t others_received = 0;  // by all other applications, within the phase
  uint64_t slow_received = 0;    // by application 0
  uint64_t refused = 0;          // of what was due in the phase
  Histogram others_latencies;    // of what was due in the phase
  double waiting_max = 0;        // messages sent and neither taken nor refused, of application 0, at most
  double memory_max = 0;         // bytes of the broker, at most
};

struct RunResult {
  // Of the whole run, with its warm-up.
  uint64_t sent = 0;
  uint64_t confirmed = 0;
  uint64_t received = 0;
  uint64_t refused = 0;
  uint64_t replies = 0;

  // Of what followed the warm-up.
  double messages_per_second = 0;  // taken; of round trips: replies
  double seconds = 0;
  double broker_cpu = 0;     // CPU seconds for a million messages, as is the next
  double clients_cpu = 0;    // of all clients together
  double broker_memory = 0;  // bytes, at most
  double steal = 0;          // share of the machine that the hypervisor took
  double foreign = 0;        // share of the machine that went to other programs
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double max_us = 0;
  double late_us = 0;  // paced: by how much the latest message left late
  std::array<Phase, phase_count> phases;
  std::string broker;  // its product and version
};

// `broker`: whose processor time and memory are read; null: nobody's.
RunResult run(const Plan& plan, const std::string& endpoint, const Process* broker);

}  // namespace signalbox::bench
