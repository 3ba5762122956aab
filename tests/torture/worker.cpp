// A worker of a torture run on the C++ library: sends its flow, treats what it gets as its slot says, and writes both
// down on the scoreboard. It keeps nothing of its own that matters, so that it may be killed or stopped at any moment.
//
// SIGTERM ends it; exit code 3: the broker will not have it.

#include "worker/worker.hpp"

#include <csignal>
#include <cstdio>
#include <deque>
#include <exception>
#include <stdexcept>
#include <thread>

#include "tests/torture/books.hpp"

namespace signalbox::torture {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double most_at_once = 2000;
constexpr uint64_t prefetch_at_first = 200;
constexpr int exit_turned_away = 3;

volatile std::sig_atomic_t stop = 0;

WorkerOptions options(const Assignment& assignment) {
  const Slot& slot = slots[assignment.slot];
  WorkerOptions options;
  options.role = slot.role;
  options.name = slot.endpoint;
  options.endpoint = assignment.endpoint;
  options.prefetch = prefetch_at_first;
  options.backoff_ms_min = 50;
  options.backoff_ms_max = 500;
  options.secret_key = assignment.secret_key;
  options.server_key = assignment.server_key;
  return options;
}

class TortureWorker {
 public:
  TortureWorker(Scoreboard& scoreboard, const Assignment& assignment)
      : worker_(options(assignment)), books_(scoreboard, assignment), pace_(most_at_once) {
    worker_.on_message([this](const Delivery& delivery) { receive(delivery); });
    worker_.on_confirmed([this](Seq upto) {
      books_.settled(settled_ + 1, upto, broker());
      settled_ = upto;
    });
    worker_.on_refused([this](const Refusal& refusal) { books_.refused(refusal.seq, broker(), refusal.code); });
  }

  int run() {
    while (stop == 0 && worker_.state() != Worker::State::failed) {
      send_what_is_due();
      settle_what_is_due();
      follow_prefetch();
      const size_t work = worker_.do_work();
      report();
      if (work == 0) worker_.wait(std::chrono::milliseconds(10));
    }
    report();
    if (worker_.state() != Worker::State::failed) return 0;
    std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(books_.slot().endpoint.size()), books_.slot().endpoint.data(),
                 worker_.fault().c_str());
    return exit_turned_away;
  }

 private:
  struct Waiting {
    Held held;
    Books::Received received;
    Clock::time_point due;
  };

  uint8_t broker() const { return static_cast<uint8_t>(worker_.limits().max_message_bytes - message_bytes_base); }

  void send_what_is_due() {
    if (!books_.slot().sends || !books_.scoreboard().sending()) return;
    const Flow flow = *books_.slot().sends;
    for (uint64_t due = pace_.due(books_.scoreboard().rate(flow)); due > 0; --due) {
      if (!books_.next(message_, flow, transport_of(flow))) return;
      const SendResult result = worker_.try_send(message_);
      if (!result) return books_.not_taken();
      books_.taken(result.seq);
    }
  }

  void receive(const Delivery& delivery) {
    if (books_.slot().habit == Habit::reading) {
      books_.dead_letter(delivery.bytes, delivery.redelivered, broker());
      return;
    }
    const std::optional<Books::Received> received = books_.received(delivery.bytes, delivery.redelivered, broker());
    if (!received) return;
    // What a slow handler looks like from outside is what this is about, so it really takes that long.
    if (const uint32_t delay = books_.desk().delay_us; delay > 0)
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
    treat(*received);
  }

  void treat(const Books::Received& received) {
    Totals& totals = books_.scoreboard().totals();
    switch (treatment(books_.slot().habit, received.identity.number)) {
      case Treatment::handle:
        break;
      case Treatment::reject:
        ++totals.rejected;
        throw Reject("not wanted");
      case Treatment::fail_twice:
        if (received.before >= 2) break;
        ++totals.nacked;
        throw std::runtime_error("later");
      case Treatment::fail_always:
        ++totals.nacked;
        throw std::runtime_error("never");
      case Treatment::hold:
        if (received.before > 0) break;
        ++totals.held;
        waiting_.push_back({worker_.hold(), received, Clock::now() + std::chrono::milliseconds(held_for_ms)});
        return;
    }
    if (books_.slot().answers) answer(*books_.slot().answers, received.identity);
    books_.handled(received);
  }

  // Of the two ends of a flow, the one that is a transport.
  std::string_view transport_of(Flow flow) const {
    return books_.slot().role == Role::transport ? books_.slot().endpoint : plan_of(flow).to[0];
  }

  void answer(Flow flow, const Identity& question) {
    if (!books_.next(message_, flow, transport_of(flow), Books::Subject{question.number, broker()})) return;
    const SendResult result = worker_.send(message_, std::chrono::seconds(30));
    if (!result) {
      books_.not_taken();
      throw std::runtime_error("the answer could not be sent");
    }
    books_.taken(result.seq);
  }

  void settle_what_is_due() {
    while (!waiting_.empty() && waiting_.front().due <= Clock::now()) {
      const Waiting waiting = waiting_.front();
      waiting_.pop_front();
      if (!worker_.is_held(waiting.held)) continue;
      books_.handled(waiting.received);
      worker_.ack(waiting.held);
    }
  }

  void follow_prefetch() {
    const uint32_t wanted = books_.desk().prefetch;
    worker_.set_prefetch(wanted == 0 ? prefetch_at_first : wanted);
  }

  void report() {
    const bool registered = worker_.state() == Worker::State::registered && !worker_.draining();
    books_.desk().broker = registered ? broker() : uint8_t{0};
    books_.desk().unconfirmed = worker_.unconfirmed();
  }

  Worker worker_;
  Books books_;
  Pace pace_;
  Seq settled_ = 0;
  std::string message_;
  std::deque<Waiting> waiting_;
};

int run(int argc, char** argv) {
  std::signal(SIGTERM, [](int) { stop = 1; });
  const Assignment assignment = Assignment::read(argc, argv);
  second_of_run(assignment.second);
  Scoreboard scoreboard(assignment.scoreboard, assignment.messages);
  TortureWorker worker(scoreboard, assignment);
  return worker.run();
}

}  // namespace
}  // namespace signalbox::torture

int main(int argc, char** argv) {
  try {
    return signalbox::torture::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "worker: %s\n", error.what());
    return 1;
  }
}
