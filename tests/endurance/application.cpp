// The application of an endurance run: answers every question, and writes into the scoreboard what it did. It keeps
// nothing of its own, so that it may be killed at any moment.
//
//   endurance_application ENDPOINT PREFETCH MESSAGES SCOREBOARD_DESCRIPTOR WAKE_DESCRIPTOR PROCESS
//
// SIGTERM ends it; its exit code is 0 if everything that it sent was confirmed and nothing refused.

#include <sys/eventfd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "tests/endurance/scoreboard.hpp"
#include "tests/endurance/traffic.hpp"
#include "worker/worker.hpp"

namespace signalbox::endurance {
namespace {

volatile std::sig_atomic_t stop = 0;

class Application {
 public:
  Application(Worker& worker, Scoreboard& scoreboard, int wake, uint8_t process)
      : worker_(worker), scoreboard_(scoreboard), wake_(wake), process_(process), answering_(answers_kept) {
    worker_.on_message([this](const Delivery& delivery) { answer(delivery); });
    worker_.on_confirmed([this](Seq upto) { confirmed(upto); });
    worker_.on_refused([this](const Refusal& refusal) {
      ++scoreboard_.totals().refused;
      std::fprintf(stderr, "refused %.*s: %.*s\n", static_cast<int>(refusal.code.size()), refusal.code.data(),
                   static_cast<int>(refusal.text.size()), refusal.text.data());
    });
  }

  // To be called whenever the worker may have registered anew.
  void look_at_registration() {
    if (worker_.registrations() == registrations_) return;
    registrations_ = worker_.registrations();
    broker_ = static_cast<uint8_t>(scoreboard_.totals().brokers_started.load());
    resumed_behind_ = answered_;
    look_at_resumption();
  }

 private:
  // Which question was answered is kept by the answer's number until it is confirmed. More than any send window.
  static constexpr size_t answers_kept = 65536;

  void answer(const Delivery& delivery) {
    look_at_registration();
    std::optional<uint64_t> number;
    if (view_.scan(delivery.bytes) == Scan::ok) number = read_question(view_);
    if (!number || *number >= scoreboard_.messages()) {
      ++scoreboard_.totals().strange;
      return;
    }
    Mark& mark = scoreboard_.mark(*number);
    ++mark.handled;
    if (!delivery.redelivered) ++mark.handled_fresh;
    write_answer(answer_, number_text('a', uint64_t{process_} << 32 | ++answers_), view_);
    const SendResult result = worker_.send(answer_);
    if (!result) return;
    mark.last_process.store(process_);
    answered_ = result.seq;
    answering_[answered_ % answers_kept] = *number;
  }

  void confirmed(Seq upto) {
    look_at_registration();
    while (confirmed_ < upto) scoreboard_.mark(answering_[++confirmed_ % answers_kept]).answer_settled.store(broker_);
    look_at_resumption();
  }

  void look_at_resumption() {
    std::atomic<uint64_t>& resumed = scoreboard_.totals().resumed[process_];
    if (resumed.load() == broker_ || confirmed_ < resumed_behind_) return;
    resumed.store(broker_);
    // It fails only where the counter is full, and then whoever waits has been woken.
    (void)eventfd_write(wake_, 1);
  }

  Worker& worker_;
  Scoreboard& scoreboard_;
  const int wake_;
  const uint8_t process_;
  std::vector<uint64_t> answering_;
  uint64_t answers_ = 0;
  Seq answered_ = 0;  // the last one
  Seq confirmed_ = 0;
  Seq resumed_behind_ = 0;  // the last one before the present registration
  uint64_t registrations_ = 0;
  uint8_t broker_ = 0;
  MessageView view_;
  std::string answer_;
};

int run(char** arguments) {
  const auto number = [arguments](int i) { return std::strtoull(arguments[i], nullptr, 10); };
  Scoreboard scoreboard(static_cast<int>(number(4)), number(3));
  WorkerOptions options;
  options.role = Role::application;
  options.name = application_name;
  options.endpoint = arguments[1];
  options.prefetch = number(2);
  options.backoff_ms_min = 50;
  Worker worker(options);
  Application application(worker, scoreboard, static_cast<int>(number(5)), static_cast<uint8_t>(number(6)));
  std::signal(SIGTERM, [](int) { stop = 1; });
  while (stop == 0 && worker.state() != Worker::State::failed) {
    const size_t work = worker.do_work();
    application.look_at_registration();
    if (work == 0) worker.wait(std::chrono::milliseconds(100));
  }
  if (worker.unconfirmed() == 0 && worker.state() != Worker::State::failed) return 0;
  std::fprintf(stderr, "application: %llu unconfirmed, %s\n", static_cast<unsigned long long>(worker.unconfirmed()),
               worker.fault().c_str());
  return 1;
}

}  // namespace
}  // namespace signalbox::endurance

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  try {
    return signalbox::endurance::run(argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "application: %s\n", error.what());
    return 1;
  }
}
