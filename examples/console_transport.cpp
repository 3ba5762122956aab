// A transport for a person at a terminal: each line typed is a message from its user, each reply is shown.
//
//   console_transport --name smpp_transport [--endpoint tcp://127.0.0.1:5570] [--user ADDRESS] [--timeout SECONDS]
//
// The first line opens the user's session, the end of the input closes it, and a reply may close it too. Whatever is
// shown is reported as taken and delivered. At the end of the input it waits for the replies that are still to come, as
// long as --timeout says, so that it can stand in a pipe.
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>

#include "examples/console.hpp"
#include "worker/worker.hpp"

namespace {

using signalbox::Message;
using signalbox::Refusal;
using signalbox::Worker;
using signalbox::examples::Console;

constexpr int keyboard = STDIN_FILENO;
constexpr size_t line_bytes_max = 10'000;  // a person's; what is longer goes as several

std::atomic<bool> stopping{false};
Worker* working = nullptr;

class ConsoleTransport {
 public:
  ConsoleTransport(Worker& worker, const Console& console, std::string user)
      : worker_(worker), console_(console), user_(std::move(user)) {
    worker_.on_user_message([this](const Message& message) { show(message); });
    worker_.on_refused([this](const Refusal& refusal) {
      if (Message(refusal.message).is_user_message()) --unanswered_;
      console_.line("refused", signalbox::printable(refusal.code) + ": " + signalbox::printable(refusal.text));
    });
  }

  // Until the input has ended and every line has its reply.
  void talk(std::chrono::seconds timeout) {
    auto give_up_at = Worker::Clock::time_point::max();
    while (!stopping && worker_.state() != Worker::State::failed) {
      const auto now = Worker::Clock::now();
      if (input_ended_ && give_up_at == Worker::Clock::time_point::max()) give_up_at = now + timeout;
      if (input_ended_ && (unanswered_ <= 0 || now >= give_up_at)) break;
      const auto longest = input_ended_ ? give_up_at - now : std::chrono::hours(1);
      // The library watches the keyboard along with its socket.
      if (worker_.do_work() == 0)
        worker_.wait(std::chrono::ceil<std::chrono::milliseconds>(longest), {&keyboard, input_ended_ ? 0U : 1U});
      if (!input_ended_) read_keyboard();
    }
    if (in_session_) send("", "close");
  }

  int64_t unanswered() const { return unanswered_; }

 private:
  void read_keyboard() {
    pollfd item{keyboard, POLLIN, 0};
    if (poll(&item, 1, 0) <= 0) return;
    char typed[4096];
    const ssize_t count = read(keyboard, typed, sizeof typed);
    input_ended_ = count <= 0;
    typed_.append(typed, count > 0 ? static_cast<size_t>(count) : 0);
    if (input_ended_ && !typed_.empty()) typed_ += '\n';
    for (size_t end = typed_.find('\n'); end != std::string::npos; end = typed_.find('\n')) {
      say(typed_.substr(0, end));
      typed_.erase(0, end + 1);
    }
    if (typed_.size() > line_bytes_max) say(std::exchange(typed_, {}));
  }

  void say(const std::string& content) {
    if (content.empty()) return;
    if (send(content, in_session_ ? "resume" : "new")) ++unanswered_;
    in_session_ = true;
  }

  bool send(const std::string& content, const char* session_event) {
    Message message = Message::user_message();
    message.set_from_addr(user_).set_to_addr("*120*1#").set_transport_type("ussd").set_session_event(session_event);
    if (!content.empty()) message.set_content(content);
    const bool sent = static_cast<bool>(worker_.send(message, std::chrono::seconds(5)));
    if (!sent) console_.complain("could not send " + signalbox::examples::in_quotes(content));
    return sent;
  }

  void show(const Message& message) {
    const bool closes = message.session_event() == "close";
    console_.line("got", signalbox::printable(message.content()) + (closes ? " (and the session is closed)" : ""));
    worker_.send(message.ack("console-" + std::to_string(++shown_)));
    worker_.send(message.delivery_report("delivered"));
    if (!message.in_reply_to().empty()) --unanswered_;
    if (closes) in_session_ = false;
  }

  Worker& worker_;
  const Console& console_;
  const std::string user_;
  std::string typed_;  // of the line that has no end yet
  bool input_ended_ = false;
  bool in_session_ = false;
  uint64_t shown_ = 0;
  int64_t unanswered_ = 0;  // less than none: replies to what an earlier run has sent
};

void on_signal(int) {
  stopping = true;
  working->stop();  // wakes it
}

}  // namespace

int main(int argc, char** argv) {
  signalbox::WorkerOptions options;
  options.role = signalbox::Role::transport;
  options.client = "console_transport";
  uint64_t timeout_s = 10;
  std::string user = "console";
  CLI::App arguments("A transport for a person at a terminal");
  arguments.add_option("--endpoint", options.endpoint, "where the broker listens")->capture_default_str();
  arguments.add_option("--name", options.name, "the transport's name in the broker's configuration")->required();
  arguments.add_option("--user", user, "the address of who types")->capture_default_str();
  arguments.add_option("--timeout", timeout_s, "seconds to wait for the broker, and for the last replies")
      ->capture_default_str();
  CLI11_PARSE(arguments, argc, argv);

  const Console console(options.name);
  const std::chrono::seconds timeout(timeout_s);
  try {
    Worker worker(options);
    working = &worker;
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, on_signal);
    ConsoleTransport transport(worker, console, user);
    if (!worker.wait_registered(timeout)) {
      console.complain(worker.fault().empty() ? "no broker answers at " + options.endpoint : worker.fault());
      return 1;
    }
    transport.talk(timeout);
    if (!worker.close(timeout)) console.complain(worker.fault().empty() ? "not all was confirmed" : worker.fault());
    if (transport.unanswered() > 0) console.complain("without a reply: " + std::to_string(transport.unanswered()));
    return transport.unanswered() > 0 || worker.unconfirmed() > 0 ? 1 : 0;
  } catch (const std::exception& error) {
    console.complain(error.what());
    return 1;
  }
}
