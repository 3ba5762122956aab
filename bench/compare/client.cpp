// The loops round every client: the same clock, pace, check and histogram for all brokers.
//
// Paced runs are free of coordinated omission: message i is due at a time that was fixed before the run began, it
// carries that time, and its latency counts from there. A producer that is held up sends all that has fallen due
// meanwhile at once, and the wait shows in the latency of each of them.
#include <sys/prctl.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "bench/compare/peer.hpp"
#include "bench/end_to_end/conversation.hpp"

namespace signalbox::bench {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;

uint64_t due_after_ns(uint64_t messages, uint64_t rate) {
  return messages * second_ns / rate;
}

// By how much the messages left late: what the pacing itself adds to every latency of the run.
Histogram send_paced(PeerProducer& producer, MessageSource& source, const PeerOptions& options, uint64_t first_ns) {
  Histogram late;
  uint64_t sent = 0;
  source.begin(options.warm_up, first_ns);
  while (sent < options.count) {
    wait_until(first_ns + due_after_ns(sent, options.rate));
    const uint64_t now = now_ns();
    uint64_t due = sent;
    for (; due < options.count && first_ns + due_after_ns(due, options.rate) <= now; ++due)
      late.add(now - (first_ns + due_after_ns(due, options.rate)));
    producer.send(source, options.warm_up + sent, due - sent);
    sent = due;
  }
  return late;
}

double microseconds(uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1000;
}

}  // namespace

MessageSource::MessageSource(const PeerOptions& options)
    : message_(message_of(options.message_bytes)), rate_(options.rate) {
  if (rate_ != 0 && !message_.has_stamp()) throw std::runtime_error("this message has no room for a time stamp");
}

void MessageSource::write(char* at, uint64_t number) const {
  std::memcpy(at, message_.bytes.data(), message_.bytes.size());
  write_number(at, message_, number);
  if (first_due_ns_ == 0) return;
  const uint64_t due_ns = first_due_ns_ + due_after_ns(number - first_, rate_);
  write_hexadecimal(at + message_.id_offset, stamp_digits, due_ns);
}

void MessageSource::begin(uint64_t first, uint64_t first_due_ns) {
  first_ = first;
  first_due_ns_ = first_due_ns;
}

MessageSink::MessageSink(const PeerOptions& options)
    : message_(message_of(options.message_bytes)), is_paced_(options.rate != 0), warm_up_(options.warm_up) {}

void MessageSink::take(std::string_view bytes) {
  if (bytes.size() != message_.bytes.size()) throw std::runtime_error("a message has changed its size");
  if (!has_number(bytes.data(), message_, received_))
    throw std::runtime_error("message " + std::to_string(received_) + " is missing, or out of order");
  if (is_paced_ && received_ >= warm_up_)
    latencies_.add(now_ns() - read_hexadecimal(bytes.data() + message_.id_offset, stamp_digits));
  ++received_;
}

int run_peer_producer(const Peer& peer, const PeerOptions& options) {
  // Sleeps end as soon as they can, not up to 50 us later to share a wake-up with others.
  prctl(PR_SET_TIMERSLACK, 1);
  const auto producer = peer.producer(options);
  MessageSource source(options);
  producer->send(source, 0, options.warm_up);
  producer->settle();
  wait_for_word();
  const uint64_t first_ns = now_ns();
  Histogram late;
  if (options.rate == 0) {
    producer->send(source, options.warm_up, options.count);
  } else {
    late = send_paced(*producer, source, options, first_ns);
  }
  producer->settle();
  char line[160];
  std::snprintf(line, sizeof line, "sent first_ns=%" PRIu64 " late_p50_us=%.1f late_p99_us=%.1f late_us=%.1f", first_ns,
                microseconds(late.quantile(0.5)), microseconds(late.quantile(0.99)), microseconds(late.max()));
  say(line);
  wait_for_word();
  return EXIT_SUCCESS;
}

int run_peer_consumer(const Peer& peer, const PeerOptions& options) {
  MessageSink sink(options);
  const auto consumer = peer.consumer(options);
  say("ready");
  const uint64_t total = options.warm_up + options.count;
  bool is_warm = false;
  uint64_t turns = 0;
  for (; sink.received() < total; ++turns) {
    consumer->receive(sink);
    if (!std::exchange(is_warm, sink.received() >= options.warm_up) && is_warm) say("warm");
  }
  const uint64_t last_ns = now_ns();
  const Histogram& times = sink.latencies();
  char latencies[160];
  std::snprintf(latencies, sizeof latencies, " p50_us=%.1f p99_us=%.1f p999_us=%.1f max_us=%.1f",
                microseconds(times.quantile(0.5)), microseconds(times.quantile(0.99)),
                microseconds(times.quantile(0.999)), microseconds(times.max()));
  report_done(last_ns, turns, latencies);
  wait_for_word();
  return EXIT_SUCCESS;
}

}  // namespace signalbox::bench
