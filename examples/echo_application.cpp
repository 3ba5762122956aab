// An application that answers every message with what it said, and is told what became of each answer.
//
//   echo_application --name my_application [--endpoint tcp://127.0.0.1:5570] [--count N] [--timeout SECONDS]
//
// With --count it ends once N messages and both events (ack, delivery_report) for each of the N answers have come.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "examples/console.hpp"
#include "worker/worker.hpp"

namespace {

using signalbox::Delivery;
using signalbox::Message;
using signalbox::Refusal;
using signalbox::Worker;
using signalbox::examples::Console;
using signalbox::examples::in_quotes;

class EchoApplication {
 public:
  EchoApplication(Worker& worker, const Console& console, uint64_t count)
      : worker_(worker), console_(console), count_(count) {
    worker_.on_message([this](const Delivery& delivery) { receive(Message(delivery.bytes)); });
    worker_.on_refused([this](const Refusal& refusal) {
      console_.line("refused", signalbox::printable(refusal.code) + ": " + signalbox::printable(refusal.text));
    });
  }

  bool complete() const { return count_ > 0 && messages_ >= count_ && events_ >= 2 * count_; }
  std::string tally() const {
    return std::to_string(messages_) + " messages and " + std::to_string(events_) + " events";
  }

 private:
  void receive(const Message& message) {
    if (message.is_user_message()) {
      answer(message);
    } else {
      report(message);
    }
    if (complete()) worker_.stop();
  }

  void answer(const Message& message) {
    ++messages_;
    const Message reply = message.reply("You said: " + std::string(message.content()));
    const bool sent = static_cast<bool>(worker_.send(reply));
    if (sent) awaiting_report_.emplace(reply.message_id(), reply.content());
    console_.line("got", in_quotes(message.content()) + " from " + signalbox::printable(message.from_addr()) + " via " +
                             signalbox::printable(message.transport_name()) +
                             (sent ? "; replied" : "; could not reply"));
  }

  void report(const Message& event) {
    ++events_;
    const auto reply = awaiting_report_.find(std::string(event.user_message_id()));
    const std::string about = reply == awaiting_report_.end() ? "an earlier message" : in_quotes(reply->second);
    console_.line("got", "event " + signalbox::printable(event.event_type()) + " for " + about + " from " +
                             signalbox::printable(event.transport_name()));
    if (event.event_type() == "delivery_report" && reply != awaiting_report_.end()) awaiting_report_.erase(reply);
  }

  Worker& worker_;
  const Console& console_;
  const uint64_t count_;  // 0: goes on until it is stopped
  uint64_t messages_ = 0;
  uint64_t events_ = 0;
  std::unordered_map<std::string, std::string> awaiting_report_;  // id of a reply, and what it said
};

}  // namespace

int main(int argc, char** argv) {
  signalbox::WorkerOptions options;
  options.role = signalbox::Role::application;
  options.client = "echo_application";
  uint64_t count = 0;
  uint64_t timeout_s = 0;
  CLI::App arguments("An application that answers every message with what it said");
  arguments.add_option("--endpoint", options.endpoint, "where the broker listens")->capture_default_str();
  arguments.add_option("--name", options.name, "the application's name in the broker's configuration")->required();
  arguments.add_option("--count", count, "end with exit code 0 after N messages and their events");
  arguments.add_option("--timeout", timeout_s,
                       "end after this many seconds, with exit code 1 if --count is not reached");
  CLI11_PARSE(arguments, argc, argv);

  const Console console(options.name);
  try {
    Worker worker(options);
    EchoApplication application(worker, console, count);
    signalbox::examples::stop_on_signals(worker);
    if (timeout_s == 0) {
      worker.run();
    } else {
      worker.run_for(std::chrono::seconds(timeout_s));
    }
    if (worker.state() == Worker::State::failed) {
      console.complain(worker.fault());
      return 1;
    }
    const bool left_in_order = worker.close(std::chrono::seconds(5));
    if (count == 0) return 0;
    if (!application.complete()) console.complain("had " + application.tally() + " before it ended");
    return application.complete() && left_in_order ? 0 : 1;
  } catch (const std::exception& error) {
    console.complain(error.what());
    return 1;
  }
}
