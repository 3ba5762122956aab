// A transport without a network behind it: sends messages as a user would, and shows the replies that the user would
// see.
//
//   demo_transport --name smpp_transport [--endpoint tcp://127.0.0.1:5570] [--count N] [--timeout SECONDS] [--user
//   ADDRESS]
//
// Each message that comes for the user is answered with the events of a network that takes and delivers it. Ends with
// exit code 0 once every message has its reply, 1 when the time is over first.
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

class DemoTransport {
 public:
  DemoTransport(Worker& worker, const Console& console, std::string user)
      : worker_(worker), console_(console), user_(std::move(user)) {
    worker_.on_message([this](const Delivery& delivery) { deliver(Message(delivery.bytes)); });
    worker_.on_refused([this](const Refusal& refusal) {
      console_.line("refused", signalbox::printable(refusal.code) + ": " + signalbox::printable(refusal.text));
    });
  }

  void say(const std::string& content) {
    Message message = Message::user_message();
    message.set_from_addr(user_).set_to_addr("*120*1#").set_content(content).set_transport_type("sms");
    awaiting_reply_.emplace(message.message_id(), content);
    if (worker_.send(message, std::chrono::seconds(5))) {
      console_.line("sent", in_quotes(content) + " from " + user_);
    } else {
      console_.line("sent", "nothing: no room for " + in_quotes(content));
    }
  }

  bool complete() const { return awaiting_reply_.empty(); }
  size_t missing() const { return awaiting_reply_.size(); }

 private:
  // A message for the user: hands it over, and tells the one who sent it.
  void deliver(const Message& message) {
    if (!message.is_user_message()) return;
    std::string line = in_quotes(message.content()) + " for " + signalbox::printable(message.to_addr());
    const auto original = awaiting_reply_.find(std::string(message.in_reply_to()));
    if (original != awaiting_reply_.end()) {
      line += ", in reply to " + in_quotes(original->second);
      awaiting_reply_.erase(original);
    }
    const std::string sent_message_id = "network-" + std::to_string(++delivered_);
    const bool reported =
        worker_.send(message.ack(sent_message_id)) && worker_.send(message.delivery_report("delivered"));
    console_.line("got", line + (reported ? "; delivered and reported" : "; could not report"));
    if (complete()) worker_.stop();
  }

  Worker& worker_;
  const Console& console_;
  const std::string user_;
  uint64_t delivered_ = 0;
  std::unordered_map<std::string, std::string> awaiting_reply_;  // id of a message, and what it said
};

}  // namespace

int main(int argc, char** argv) {
  signalbox::WorkerOptions options;
  options.role = signalbox::Role::transport;
  options.client = "demo_transport";
  uint64_t count = 5;
  uint64_t timeout_s = 30;
  std::string user;
  CLI::App arguments("A transport that sends messages as a user would, and shows the replies");
  arguments.add_option("--endpoint", options.endpoint, "where the broker listens")->capture_default_str();
  arguments.add_option("--name", options.name, "the transport's name in the broker's configuration")->required();
  arguments.add_option("--count", count, "how many messages to send")->capture_default_str();
  arguments.add_option("--timeout", timeout_s, "seconds to wait for the replies")->capture_default_str();
  arguments.add_option("--user", user, "the user's address; by default one that suits the transport's name");
  CLI11_PARSE(arguments, argc, argv);
  if (user.empty()) user = options.name.starts_with("xmpp") ? "alice@example.org" : "+27831234567";

  const Console console(options.name);
  try {
    Worker worker(options);
    DemoTransport transport(worker, console, user);
    signalbox::examples::stop_on_signals(worker);
    const auto deadline = Worker::Clock::now() + std::chrono::seconds(timeout_s);
    if (!worker.wait_registered(std::chrono::seconds(timeout_s))) {
      console.complain(worker.fault().empty() ? "no broker answers at " + options.endpoint : worker.fault());
      return 1;
    }
    for (uint64_t i = 1; i <= count; ++i) transport.say("hello " + std::to_string(i));
    if (!transport.complete()) worker.run_for(std::chrono::ceil<std::chrono::seconds>(deadline - Worker::Clock::now()));
    const bool left_in_order = worker.close(std::chrono::seconds(5));
    if (!transport.complete()) console.complain(std::to_string(transport.missing()) + " replies are missing");
    return transport.complete() && left_in_order ? 0 : 1;
  } catch (const std::exception& error) {
    console.complain(error.what());
    return 1;
  }
}
