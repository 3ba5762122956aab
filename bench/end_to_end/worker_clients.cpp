#include "bench/end_to_end/worker_clients.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "bench/end_to_end/conversation.hpp"
#include "bench/messages.hpp"
#include "worker/worker.hpp"

namespace signalbox::bench {
namespace {

using SentMessage = signalbox::Message;

constexpr auto patience = std::chrono::seconds(30);  // silence for as long as this is a fault
constexpr std::string_view to_addr = "+27831234567";
constexpr std::string_view from_addr = "+27821112223";
constexpr std::string_view content_start = "No. ";

WorkerOptions worker_options(const ClientOptions& options, Role role, std::string_view name) {
  WorkerOptions worker;
  worker.role = role;
  worker.name = name;
  worker.endpoint = options.endpoint;
  worker.prefetch = options.window;
  worker.client = "bench";
  return worker;
}

// 424 bytes and 21 fields, as vumi_message() has; the number stands in its content.
SentMessage message_of_number(uint64_t number) {
  std::array<char, content_start.size() + number_digits> content;
  content_start.copy(content.data(), content_start.size());
  write_hexadecimal(content.data() + content_start.size(), number_digits, number);
  SentMessage message = SentMessage::user_message();
  message.set_session_event("new").set_transport_type("sms").set_transport_name(transport_name);
  message.set_to_addr(to_addr).set_from_addr(from_addr).set_content({content.data(), content.size()});
  message.set_text("to_addr_type", "msisdn").set_text("from_addr_type", "msisdn");
  message.set_nil("expires_at").set_nil("priority").set_value("__cache__", "\x80");
  return message;
}

void check(const SentMessage& message, uint64_t number) {
  const std::string_view content = message.content();
  if (content.size() != content_start.size() + number_digits || message.message_id().size() != message_id_bytes ||
      message.to_addr() != to_addr || message.from_addr() != from_addr || message.session_event() != "new")
    throw std::runtime_error("a message has changed");
  if (read_hexadecimal(content.data() + content_start.size(), number_digits) != number)
    throw std::runtime_error("a message is missing, or out of order");
}

void check_alive(const Worker& worker) {
  if (worker.state() != Worker::State::registered) throw std::runtime_error("lost the broker: " + worker.fault());
}

void leave(Worker& worker) {
  if (!worker.close(patience)) throw std::runtime_error("could not leave in order: " + worker.fault());
}

}  // namespace

int run_worker_producer(const ClientOptions& options) {
  if (message_of_number(0).bytes().size() != options.message_bytes)
    throw std::runtime_error("the message type makes no message of that size here");
  Worker worker(worker_options(options, Role::transport, transport_name));
  worker.on_refused([](const Refusal& refusal) {
    throw std::runtime_error("REFUSE " + std::string(refusal.code) + ": " + std::string(refusal.text));
  });
  if (!worker.wait_registered(patience)) throw std::runtime_error("the broker did not welcome us");
  uint64_t sent = 0;
  const auto send = [&](uint64_t upto) {
    for (; sent < upto; ++sent)
      if (!worker.send(message_of_number(sent), patience)) throw std::runtime_error("could not send");
    if (!worker.wait_confirmed(patience)) throw std::runtime_error("not confirmed");
  };
  send(options.warm_up);
  wait_for_word();
  const uint64_t first_ns = now_ns();
  send(options.warm_up + options.count);
  check_alive(worker);
  report_sent(first_ns, 0);
  wait_for_word();
  leave(worker);
  return EXIT_SUCCESS;
}

int run_worker_consumer(const ClientOptions& options) {
  Worker worker(worker_options(options, Role::application, application_name));
  const uint64_t total = options.warm_up + options.count;
  uint64_t received = 0;
  std::string failure;
  worker.on_handler_failed([&](const HandlerFailure& fault) {
    failure = fault.reason;
    worker.stop();
  });
  worker.on_user_message([&](const SentMessage& message) {
    check(message, received);
    ++received;
    if (received == options.warm_up) say("warm");
    if (received == total) worker.stop();
  });
  if (!worker.wait_registered(patience)) throw std::runtime_error("the broker did not welcome us");
  say("ready");
  worker.run();
  const uint64_t last_ns = now_ns();
  if (received != total) throw std::runtime_error(failure.empty() ? "lost the broker: " + worker.fault() : failure);
  report_done(last_ns, 0, "");
  wait_for_word();
  leave(worker);
  return EXIT_SUCCESS;
}

}  // namespace signalbox::bench
