// The client that passes bytes: what there is room for goes at once, whatever its size.
#include <poll.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>
#include <zmq.hpp>

#include "bench/delivered.hpp"
#include "bench/end_to_end/conversation.hpp"
#include "bench/load/client.hpp"
#include "bench/messages.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t batch_bytes_max = 192 * 1024;  // the most that is sent in one SEND

Bytes bytes_of(const zmq::message_t& message) {
  return {message.data<char>(), message.size()};
}

// A DEALER socket that waits to the microsecond. (zmq_poll counts in milliseconds, and a paced message does not.)
class Socket {
 public:
  explicit Socket(const std::string& endpoint) : socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 1000);
    socket_.set(zmq::sockopt::sndtimeo, static_cast<int>(patience_ns / 1'000'000));
    socket_.connect(endpoint);
    descriptor_ = socket_.get(zmq::sockopt::fd);
  }

  bool receive(zmq::message_t& message) { return socket_.recv(message, zmq::recv_flags::dontwait).has_value(); }
  void send(zmq::message_t& message, bool more = false) {
    if (!socket_.send(message, more ? zmq::send_flags::sndmore : zmq::send_flags::none))
      throw std::runtime_error("nothing could be sent for too long");
  }
  void send(Bytes bytes, bool more = false) {
    zmq::message_t message(bytes.data(), bytes.size());
    send(message, more);
  }
  // False: the time came first.
  bool wait(uint64_t until_ns) {
    for (;;) {
      // The descriptor tells of changes alone, so that the state is asked for first, each time.
      if ((socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0) return true;
      const uint64_t now = now_ns();
      if (now >= until_ns) return false;
      const timespec left{static_cast<time_t>((until_ns - now) / 1'000'000'000),
                          static_cast<long>((until_ns - now) % 1'000'000'000)};
      pollfd change{descriptor_, POLLIN, 0};
      ppoll(&change, 1, &left, nullptr);
    }
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
  int descriptor_ = -1;
};

// A batch under way: it goes out as it lies, without another copy.
class Batch {
 public:
  Batch() = default;
  ~Batch() { std::free(data_); }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  bool empty() const { return used_ == 0; }
  bool has_room(size_t bytes) const { return used_ + bytes <= capacity_; }
  // REQUIRES: empty() or has_room().
  char* append(size_t bytes) {
    if (data_ == nullptr) {
      capacity_ = std::max(bytes, batch_bytes_max);
      data_ = static_cast<char*>(std::malloc(capacity_));
      if (data_ == nullptr) throw std::bad_alloc();
    }
    return data_ + std::exchange(used_, used_ + bytes);
  }
  zmq::message_t take() {
    zmq::message_t message(
        data_, used_, [](void* data, void*) { std::free(data); }, nullptr);
    data_ = nullptr;
    used_ = 0;
    return message;
  }

 private:
  char* data_ = nullptr;
  size_t used_ = 0;
  size_t capacity_ = batch_bytes_max;
};

// The messages of a run, one template for each application; and the reply to them, which names no transport, so that
// only the routing memory can lead it back.
class Templates {
 public:
  explicit Templates(const ClientOptions& options) {
    const Topology& topology = options.topology;
    const std::string transport = topology.transport_name_of(options.index);
    if (options.message_bytes == small_message_bytes) {
      messages_.push_back(small_message(transport));
    } else {
      for (size_t i = 0; i < topology.applications; ++i)
        messages_.push_back(vumi_message(transport, content(topology.content_start(i), options.message_bytes)));
    }
    message_bytes_ = messages_.front().bytes.size();
    if (!messages_.front().has_stamp()) return;
    const std::string id(messages_.front().id_bytes, '0');
    reply_ = vumi_message("", content("Re: ", options.message_bytes), id);
    original_offset_ = reply_.bytes.find(id, reply_.id_offset + reply_.id_bytes);
  }

  size_t message_bytes() const { return message_bytes_; }
  size_t reply_bytes() const { return reply_.bytes.size(); }

  void write(char* at, const MessageNumber& number, size_t application) const {
    const Message& message = messages_[application % messages_.size()];
    std::memcpy(at, message.bytes.data(), message.bytes.size());
    write_number(at, message, number.packed());
  }
  void write_reply(char* at, Bytes original, const MessageNumber& number) const {
    std::memcpy(at, reply_.bytes.data(), reply_.bytes.size());
    write_number(at, reply_, number.packed());
    std::memcpy(at + original_offset_, original.data() + reply_.id_offset, reply_.id_bytes);
  }
  MessageNumber read(Bytes bytes) const {
    if (bytes.size() != message_bytes_) throw std::runtime_error("a message has changed its size");
    const char* const number = bytes.data() + messages_.front().number_offset();
    return MessageNumber::of(read_hexadecimal(number, number_digits));
  }
  MessageNumber read_reply(Bytes bytes) const {
    if (bytes.size() != reply_bytes()) throw std::runtime_error("a reply has changed its size");
    const char* const number = bytes.data() + reply_.number_offset();
    const char* const original = bytes.data() + original_offset_ + reply_.id_bytes - number_digits;
    if (std::memcmp(number, original, number_digits) != 0) throw std::runtime_error("a reply to another message");
    return MessageNumber::of(read_hexadecimal(number, number_digits));
  }

 private:
  static std::string content(const std::string& start, size_t message_bytes) {
    std::string text = start + "much airtime left";
    // A longer text has a longer head in MessagePack: one more byte from 32 bytes on, one more from 256.
    while (vumi_message(transport_name, text).bytes.size() < message_bytes) text.push_back('.');
    return text;
  }

  std::vector<Message> messages_;
  Message reply_;
  size_t message_bytes_ = 0;
  size_t original_offset_ = 0;
};

class RawClient final : public Client {
 public:
  RawClient(const ClientOptions& options, Receiver& receiver)
      : options_(options), receiver_(receiver), templates_(options), socket_(options.endpoint) {
    const bool is_transport = options.role == Role::transport;
    const std::string name = is_transport ? options.topology.transport_name_of(options.index)
                                          : options.topology.application_name_of(options.index);
    Hello hello;
    hello.role = options.role;
    hello.name = name;
    hello.prefetch = options.window;
    hello.client = "bench_load, raw";
    signalbox::write(header_, hello);
    socket_.send(header_);
    wait_while([this] { return limits_.send_window == 0; }, "the broker does not answer");
    window_ = std::min({options.window, limits_.send_window,
                        limits_.send_window_bytes / std::max(templates_.message_bytes(), templates_.reply_bytes())});
  }

  void send(const MessageNumber& number) override {
    const size_t bytes = templates_.message_bytes();
    make_room(bytes);
    templates_.write(batch_.append(bytes), number, options_.topology.application_of(number));
    ++sent_;
  }

  bool work(uint64_t until_ns) override {
    flush();
    if (inbox_.empty() && !receive_frame() && !(socket_.wait(until_ns) && receive_frame())) return false;
    // One turn: what is there, acknowledged once. It ends with a quarter of the window at the latest: the broker would
    // stand still while it waits for more.
    const Seq turn_ends = taken_ + window_ / 4;
    do {
      take_inbox();
    } while (taken_ < turn_ends && receive_frame());
    flush();
    if (taken_ > acknowledged_) {
      write_ack(header_, taken_);
      socket_.send(header_);
      acknowledged_ = taken_;
    }
    return true;
  }

  uint64_t unconfirmed() const override { return sent_ - confirmed_; }
  std::string broker() const override { return limits_.broker; }

  // Waits for the answer: a broker that is told to end before it has read this would take the connection for lost.
  void leave() override {
    signalbox::write(header_, Bye{});
    socket_.send(header_);
    is_leaving_ = true;
    wait_while([this] { return !has_left_; }, "the broker does not answer");
  }

 private:
  struct Delivery {
    Seq first_seq = 0;
    zmq::message_t body;
  };

  // Makes sure that a message of this size can be appended, by sending what is there and by waiting for confirmations.
  void make_room(size_t bytes) {
    if (!batch_.has_room(bytes)) {
      flush();
      while (receive_frame()) continue;
    }
    if (sent_ - confirmed_ < window_) return;
    flush();
    wait_while([this] { return sent_ - confirmed_ >= window_; }, "no confirmation came for too long");
  }

  template <typename Condition>
  void wait_while(Condition condition, const char* fault) {
    const uint64_t deadline_ns = now_ns() + patience_ns;
    while (receive_frame()) continue;
    while (condition()) {
      if (options_.is_abandoned->load(std::memory_order_relaxed)) throw Abandoned();
      const uint64_t now = now_ns();
      if (now > deadline_ns) throw std::runtime_error(fault);
      if (socket_.wait(now + notice_ns))
        while (receive_frame()) continue;
    }
  }

  void flush() {
    if (batch_.empty()) return;
    signalbox::write(header_, Send{flushed_ + 1});
    socket_.send(header_, true);
    zmq::message_t body = batch_.take();
    socket_.send(body);
    flushed_ = sent_;
  }

  // False: none is there.
  bool receive_frame() {
    if (!socket_.receive(incoming_)) return false;
    zmq::message_t body;
    if (incoming_.more() && !socket_.receive(body)) throw std::runtime_error("a frame without its body");
    const auto frame = parse_broker_frame(bytes_of(incoming_));
    if (!frame) throw std::runtime_error("the broker sent what is no frame");
    if (const auto* confirm = std::get_if<Confirm>(&*frame)) {
      if (confirm->upto > flushed_) throw std::runtime_error("more was confirmed than was sent");
      confirmed_ = confirm->upto;
    } else if (const auto* deliver = std::get_if<Deliver>(&*frame)) {
      if (deliver->redelivered) throw std::runtime_error("a delivery came twice");
      inbox_.push_back({deliver->first_seq, std::move(body)});
    } else if (const auto* refuse = std::get_if<Refuse>(&*frame)) {
      receiver_.refused(refuse->seq - 1, std::string(refuse->code));
    } else if (std::holds_alternative<Ping>(*frame)) {
      signalbox::write(header_, Pong{});
      socket_.send(header_);
    } else if (const auto* welcome = std::get_if<Welcome>(&*frame)) {
      limits_ = welcome->limits;
    } else if (const auto* error = std::get_if<ErrorFrame>(&*frame)) {
      throw std::runtime_error("ERROR " + std::string(error->code) + ": " + std::string(error->text));
    } else if (std::holds_alternative<Bye>(*frame)) {
      if (!is_leaving_) throw std::runtime_error("the broker leaves");
      has_left_ = true;
    }
    return true;
  }

  void take_inbox() {
    while (!inbox_.empty()) {
      const Delivery delivery = std::move(inbox_.front());
      inbox_.pop_front();
      if (delivery.first_seq != taken_ + 1) throw std::runtime_error("a delivery is missing");
      messages_.each(bytes_of(delivery.body), [&](Bytes message) {
        take(message);
        ++taken_;
      });
    }
  }

  void take(Bytes bytes) {
    if (options_.role == Role::transport) {
      receiver_.take(templates_.read_reply(bytes));
      return;
    }
    const MessageNumber number = templates_.read(bytes);
    receiver_.take(number);
    if (!options_.answers) return;
    make_room(templates_.reply_bytes());
    templates_.write_reply(batch_.append(templates_.reply_bytes()), bytes, number);
    ++sent_;
  }

  const ClientOptions options_;
  Receiver& receiver_;
  const Templates templates_;
  Socket socket_;
  Limits limits_;
  uint64_t window_ = 0;
  std::string header_;
  zmq::message_t incoming_;
  std::deque<Delivery> inbox_;
  DeliveredMessages messages_;
  Batch batch_;
  Seq sent_ = 0;     // the batch under way included
  Seq flushed_ = 0;  // without it
  Seq confirmed_ = 0;
  Seq taken_ = 0;
  Seq acknowledged_ = 0;
  bool is_leaving_ = false;
  bool has_left_ = false;
};

}  // namespace

std::unique_ptr<Client> make_raw_client(const ClientOptions& options, Receiver& receiver) {
  return std::make_unique<RawClient>(options, receiver);
}

std::unique_ptr<Client> make_client(Library library, const ClientOptions& options, Receiver& receiver) {
  return library == Library::raw ? make_raw_client(options, receiver) : make_worker_client(options, receiver);
}

}  // namespace signalbox::bench
