// The client on the worker library: makes each message field by field, with an id and a time of its own, has each that
// comes decoded, and answers with Message::reply. The number stands in the content.
#include <sys/timerfd.h>

#include <array>
#include <chrono>
#include <stdexcept>

#include "bench/compare/descriptor.hpp"
#include "bench/end_to_end/conversation.hpp"
#include "bench/load/client.hpp"
#include "bench/messages.hpp"
#include "worker/worker.hpp"

namespace signalbox::bench {
namespace {

using std::chrono::milliseconds;
using WorkerMessage = signalbox::Message;

constexpr milliseconds notice(notice_ns / 1'000'000);
constexpr milliseconds patience(patience_ns / 1'000'000);

// A descriptor that becomes readable at a time to the nanosecond, which Worker::wait() watches beside the bus: its own
// time-out counts in milliseconds.
class Timer {
 public:
  Timer() : descriptor_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (descriptor_.number() < 0) throw std::runtime_error("no timer");
  }
  void set(uint64_t monotonic_ns) {
    itimerspec time{};
    time.it_value.tv_sec = static_cast<time_t>(monotonic_ns / 1'000'000'000);
    time.it_value.tv_nsec = static_cast<long>(monotonic_ns % 1'000'000'000);
    timerfd_settime(descriptor_.number(), TFD_TIMER_ABSTIME, &time, nullptr);
  }
  int descriptor() const { return descriptor_.number(); }

 private:
  const Descriptor descriptor_;
};

class WorkerClient final : public Client {
 public:
  WorkerClient(const ClientOptions& options, Receiver& receiver)
      : options_(options),
        receiver_(receiver),
        transport_name_(options.topology.transport_name_of(options.index)),
        worker_(worker_options(options)) {
    for (size_t i = 0; i < options.topology.applications; ++i)
      contents_.push_back(options.topology.content_start(i) + std::string(number_digits, '0'));
    const size_t bytes = message_of({}).bytes().size();
    if (bytes < options.message_bytes)
      for (std::string& content : contents_) content.append(options.message_bytes - bytes, '.');
    worker_.on_user_message([this](const WorkerMessage& message) { take(message); });
    worker_.on_handler_failed([this](const HandlerFailure& failure) { failure_ = failure.reason; });
    worker_.on_refused(
        [this](const Refusal& refusal) { receiver_.refused(refusal.seq - 1, std::string(refusal.code)); });
    wait_while([this] { return !worker_.wait_registered(notice); }, "the broker does not answer");
  }

  void send(const MessageNumber& number) override {
    const WorkerMessage message = message_of(number);
    if (worker_.try_send(message)) return;
    wait_while([&] { return !worker_.send(message, notice); }, "no confirmation came for too long");
  }

  bool work(uint64_t until_ns) override {
    size_t done = worker_.do_work();
    if (done == 0 && now_ns() < until_ns) {
      timer_.set(until_ns);
      const int descriptor = timer_.descriptor();
      worker_.wait(patience, {&descriptor, 1});
      done = worker_.do_work();
    }
    check();
    return done != 0;
  }

  uint64_t unconfirmed() const override { return worker_.unconfirmed(); }
  std::string broker() const override { return worker_.limits().broker; }

  void leave() override {
    if (!worker_.close(patience)) throw std::runtime_error("could not leave in order: " + worker_.fault());
  }

 private:
  static WorkerOptions worker_options(const ClientOptions& options) {
    WorkerOptions worker;
    worker.role = options.role;
    worker.name = options.role == Role::transport ? options.topology.transport_name_of(options.index)
                                                  : options.topology.application_name_of(options.index);
    worker.endpoint = options.endpoint;
    worker.prefetch = options.window;
    worker.client = "bench_load, worker library";
    return worker;
  }

  // 21 fields, as vumi_message() has; 424 bytes, unless the content is made longer.
  WorkerMessage message_of(const MessageNumber& number) {
    const size_t application = options_.topology.application_of(number);
    std::string& content = contents_[application];
    write_hexadecimal(content.data() + number_offset, number_digits, number.packed());
    WorkerMessage message = WorkerMessage::user_message();
    message.set_session_event("new").set_transport_type("sms").set_transport_name(transport_name_);
    message.set_to_addr("+27831234567").set_from_addr("+27821112223").set_content(content);
    message.set_text("to_addr_type", "msisdn").set_text("from_addr_type", "msisdn");
    message.set_nil("expires_at").set_nil("priority").set_value("__cache__", "\x80");
    return message;
  }

  void take(const WorkerMessage& message) {
    const std::string_view content = message.content();
    if (content.size() != contents_.front().size()) throw std::runtime_error("a message has changed");
    const bool is_reply = message.in_reply_to().size() == message_id_bytes;
    if (is_reply != (options_.role == Role::transport)) throw std::runtime_error("a message went the wrong way");
    receiver_.take(MessageNumber::of(read_hexadecimal(content.data() + number_offset, number_digits)));
    if (!options_.answers) return;
    WorkerMessage reply = message.reply(content);
    // It names no transport, so that only the routing memory can lead it back.
    reply.set_nil("transport_name");
    if (!worker_.send(reply, patience)) throw std::runtime_error("could not answer");
  }

  template <typename Condition>
  void wait_while(Condition condition, const char* fault) {
    const uint64_t deadline_ns = now_ns() + patience_ns;
    while (condition()) {
      check();
      if (options_.is_abandoned->load(std::memory_order_relaxed)) throw Abandoned();
      if (now_ns() > deadline_ns) throw std::runtime_error(fault);
    }
  }

  void check() const {
    if (!failure_.empty()) throw std::runtime_error(failure_);
    if (worker_.state() == Worker::State::failed) throw std::runtime_error(worker_.fault());
    if (worker_.registrations() > 1) throw std::runtime_error("the connection was lost");
  }

  static constexpr size_t number_offset = 4;  // in the content, behind what it begins with

  const ClientOptions options_;
  Receiver& receiver_;
  const std::string transport_name_;
  std::vector<std::string> contents_;  // for each application
  std::string failure_;                // of the handler
  Timer timer_;
  Worker worker_;
};

}  // namespace

std::unique_ptr<Client> make_worker_client(const ClientOptions& options, Receiver& receiver) {
  return std::make_unique<WorkerClient>(options, receiver);
}

}  // namespace signalbox::bench
