// Idea: one pass proves that the header is a single whole array no deeper than allowed; after that the elements are
// taken one by one, each by the type that its place asks for. Nothing is unpacked into objects, since a header is a
// handful of numbers and texts, and since a peer's counts would otherwise have to be bounded twice. msgpack-c writes
// every header.
#include "protocol/header.hpp"

#include <cstdlib>
#include <msgpack.hpp>

#include "protocol/limits.hpp"
#include "protocol/value.hpp"

namespace signalbox {
namespace {

using value::Head;
using value::Type;

// Takes values off the front of a run of them, the `count` elements of an array or of a map. Each take_… moves on only
// if there is one left and it has the type asked for; false otherwise. REQUIRES: bytes that is_one_array() has
// accepted.
class Elements {
 public:
  Elements(const char* at, const char* end, uint64_t count) : at_(at), end_(end), left_(count) {}

  bool empty() const { return left_ == 0; }
  const char* at() const { return at_; }
  Type type() const { return left_ == 0 ? Type::never : value::tag_at(at_).type; }
  bool is_nil() const { return type() == Type::nil; }

  bool skip() { return left_ > 0 && step(value::skip(at_, end_)); }
  bool take_number(uint64_t& number) { return left_ > 0 && step(value::read_unsigned(at_, end_, number)); }
  bool take_boolean(bool& truth) {
    if (type() != Type::boolean) return false;
    truth = static_cast<unsigned char>(*at_) == 0xc3;
    return step(at_ + 1);
  }
  bool take_text(Bytes& text) { return take_payload(Type::text, text); }
  bool take_binary(Bytes& bytes) { return take_payload(Type::binary, bytes); }
  // A reason or a text for people: nil, or left out at the end, is empty.
  bool take_optional_text(Bytes& text) { return empty() || (is_nil() ? skip() : take_text(text)); }
  // An array or map: its own elements follow, to be taken before anything else here.
  bool open(Type container, Elements& inside) {
    if (type() != container) return false;
    const Head head = value::read_head(at_, end_);
    const uint64_t count = container == Type::map ? uint64_t{head.count} * 2 : head.count;
    inside = {head.payload, end_, count};
    return true;
  }
  uint64_t left() const { return left_; }

 private:
  bool step(const char* next) {
    if (next == nullptr) return false;
    at_ = next;
    --left_;
    return true;
  }
  bool take_payload(Type wanted, Bytes& bytes) {
    if (type() != wanted) return false;
    const Head head = value::read_head(at_, end_);
    if (head.payload == nullptr) return false;
    bytes = {head.payload, head.count};
    return step(head.payload + head.count);
  }

  const char* at_;
  const char* end_;
  uint64_t left_;
};

// All of `header` is one whole array within the allowed levels and bytes.
bool is_one_array(Bytes header) {
  if (header.empty() || header.size() > limits::header_bytes_max) return false;
  if (value::tag_at(header.data()).type != Type::array) return false;
  const char* const end = header.data() + header.size();
  const value::End all = value::skip(header.data(), end, 1);
  return all.behind == end && !all.too_deep;
}

// The elements of a header behind its type; an empty optional where there is no type.
std::optional<Elements> open_header(Bytes header, uint64_t& type) {
  if (!is_one_array(header)) return std::nullopt;
  const char* const end = header.data() + header.size();
  const Head head = value::read_head(header.data(), end);
  Elements elements(head.payload, end, head.count);
  if (!elements.take_number(type)) return std::nullopt;
  return elements;
}

bool all_texts(Elements& options) {
  Elements items = options;
  if (!options.open(Type::array, items)) return false;
  Bytes text;
  while (!items.empty())
    if (!items.take_text(text)) return false;
  return options.skip();
}

// One option of HELLO: its value, the key already taken. Nil is the same as leaving the key out.
bool take_option(Bytes key, Elements& options, Hello& hello) {
  if (options.is_nil()) return options.skip();
  if (key == "session") return options.take_binary(hello.session) && hello.session.size() == limits::session_id_bytes;
  if (key == "confirmed") return options.take_number(hello.confirmed);
  if (key == "prefetch") return options.take_number(hello.prefetch);
  if (key == "client") return options.take_text(hello.client);
  if (key == "instance") return options.take_text(hello.instance);
  if (key == "features") return all_texts(options);
  return options.skip();
}

bool parse(Elements elements, Hello& hello) {
  if (!elements.take_number(hello.version)) return false;
  if (hello.version != limits::protocol_version) return true;
  Bytes role;
  if (!elements.take_text(role) || !elements.take_text(hello.name)) return false;
  if (role == to_string(Role::transport)) {
    hello.role = Role::transport;
  } else if (role == to_string(Role::application)) {
    hello.role = Role::application;
  } else {
    return false;
  }
  if (elements.empty()) return true;
  Elements options = elements;
  if (!elements.open(Type::map, options)) return false;
  while (!options.empty()) {
    Bytes key;
    if (!options.take_text(key)) {
      // A key that is no text is an unknown one.
      if (!options.skip() || !options.skip()) return false;
    } else if (!take_option(key, options, hello)) {
      return false;
    }
  }
  return true;
}

bool parse(Elements elements, Send& send) {
  return elements.take_number(send.first_seq) && send.first_seq != 0;
}

bool parse(Elements elements, Ack& ack, uint64_t max_also) {
  if (!elements.take_number(ack.upto)) return false;
  if (elements.empty()) return true;
  Elements also = elements;
  if (!elements.open(Type::array, also) || also.left() > max_also) return false;
  const char* const first = also.at();
  const auto count = static_cast<uint32_t>(also.left());
  uint64_t number = 0;
  while (!also.empty())
    if (!also.take_number(number)) return false;
  ack.also = SeqList({first, static_cast<size_t>(also.at() - first)}, count);
  return true;
}

bool parse(Elements elements, Nack& nack) {
  return elements.take_number(nack.seq) && elements.take_optional_text(nack.reason) &&
         elements.take_boolean(nack.requeue);
}

bool parse(Elements elements, Flow& flow) {
  return elements.take_number(flow.prefetch);
}
bool parse(Elements elements, Bye& bye) {
  return elements.take_optional_text(bye.reason);
}

// One of WELCOME's limits: its value, the key already taken.
bool take_limit(Bytes key, Elements& map, Limits& limits) {
  if (map.is_nil()) return map.skip();
  if (key == "heartbeat_ms") return map.take_number(limits.heartbeat_ms);
  if (key == "max_message_bytes") return map.take_number(limits.max_message_bytes);
  if (key == "max_batch_bytes") return map.take_number(limits.max_batch_bytes);
  if (key == "send_window") return map.take_number(limits.send_window);
  if (key == "send_window_bytes") return map.take_number(limits.send_window_bytes);
  if (key == "max_prefetch") return map.take_number(limits.max_prefetch);
  if (key == "ack_timeout_ms") return map.take_number(limits.ack_timeout_ms);
  if (key == "durable") return map.take_boolean(limits.durable);
  if (key == "features") return all_texts(map);
  if (key == "broker") {
    Bytes text;
    if (!map.take_text(text)) return false;
    limits.broker = text;
    return true;
  }
  return map.skip();
}

bool parse(Elements elements, Welcome& welcome) {
  if (!elements.take_number(welcome.version)) return false;
  if (elements.is_nil() ? !elements.skip() : !elements.take_binary(welcome.session)) return false;
  if (!elements.take_number(welcome.last_seq)) return false;
  welcome.limits = {limits::heartbeat_ms,
                    limits::max_message_bytes,
                    limits::max_batch_bytes,
                    limits::send_window_messages,
                    limits::send_window_bytes,
                    limits::max_prefetch,
                    false,
                    {},
                    0};
  Elements map = elements;
  if (!elements.open(Type::map, map)) return false;
  while (!map.empty()) {
    Bytes key;
    if (!map.take_text(key)) {
      if (!map.skip() || !map.skip()) return false;
    } else if (!take_limit(key, map, welcome.limits)) {
      return false;
    }
  }
  return true;
}

bool parse(Elements elements, Deliver& deliver) {
  return elements.take_number(deliver.first_seq) && deliver.first_seq != 0 &&
         elements.take_boolean(deliver.redelivered);
}

bool parse(Elements elements, Confirm& confirm) {
  return elements.take_number(confirm.upto);
}

bool parse(Elements elements, Refuse& refuse) {
  return elements.take_number(refuse.seq) && elements.take_text(refuse.code) &&
         elements.take_optional_text(refuse.text);
}

bool parse(Elements elements, ErrorFrame& error) {
  return elements.take_text(error.code) && elements.take_optional_text(error.text);
}

template <typename Frames, typename Frame, typename... More>
std::optional<Frames> read(const Elements& elements, More... more) {
  Frames frames{std::in_place_type<Frame>};
  if (!parse(elements, *std::get_if<Frame>(&frames), more...)) return std::nullopt;
  return frames;
}

// What msgpack-c's packer writes to.
struct Out {
  std::string& bytes;
  void write(const char* data, size_t size) { bytes.append(data, size); }
};

// A packer with the names of the protocol's types. Begins a header of `elements` elements with its type.
class Packer {
 public:
  Packer(std::string& out, FrameType type, uint32_t elements) : out_{out}, packer_(out_) {
    out.clear();
    packer_.pack_array(elements);
    number(static_cast<uint64_t>(type));
  }

  Packer& number(uint64_t number) {
    packer_.pack_uint64(number);
    return *this;
  }
  Packer& text(Bytes text) {
    packer_.pack_str(static_cast<uint32_t>(text.size()));
    packer_.pack_str_body(text.data(), static_cast<uint32_t>(text.size()));
    return *this;
  }
  Packer& text_or_nil(Bytes bytes) {
    if (!bytes.empty()) return text(bytes);
    packer_.pack_nil();
    return *this;
  }
  Packer& binary_or_nil(Bytes bytes) {
    if (bytes.empty()) {
      packer_.pack_nil();
    } else {
      packer_.pack_bin(static_cast<uint32_t>(bytes.size()));
      packer_.pack_bin_body(bytes.data(), static_cast<uint32_t>(bytes.size()));
    }
    return *this;
  }
  Packer& boolean(bool truth) {
    truth ? packer_.pack_true() : packer_.pack_false();
    return *this;
  }
  Packer& map(size_t entries) {
    packer_.pack_map(static_cast<uint32_t>(entries));
    return *this;
  }
  Packer& array(size_t items) {
    packer_.pack_array(static_cast<uint32_t>(items));
    return *this;
  }

 private:
  Out out_;
  msgpack::packer<Out> packer_;
};

}  // namespace

Seq SeqList::take() {
  Seq number = 0;
  const char* const begin = encoded_.data();
  const char* const next = count_ == 0 ? nullptr : value::read_unsigned(begin, begin + encoded_.size(), number);
  // Only a caller's bug comes here: the numbers were checked when the frame was parsed.
  if (next == nullptr) std::abort();
  encoded_.remove_prefix(static_cast<size_t>(next - begin));
  --count_;
  return number;
}

std::optional<WorkerFrame> parse_worker_frame(Bytes header, uint64_t max_also) {
  uint64_t type = 0;
  const std::optional<Elements> elements = open_header(header, type);
  if (!elements || type > UINT8_MAX) return std::nullopt;
  switch (static_cast<FrameType>(type)) {
    case FrameType::hello:
      return read<WorkerFrame, Hello>(*elements);
    case FrameType::send:
      return read<WorkerFrame, Send>(*elements);
    case FrameType::ack:
      return read<WorkerFrame, Ack>(*elements, max_also);
    case FrameType::nack:
      return read<WorkerFrame, Nack>(*elements);
    case FrameType::flow:
      return read<WorkerFrame, Flow>(*elements);
    case FrameType::ping:
      return Ping{};
    case FrameType::pong:
      return Pong{};
    case FrameType::bye:
      return read<WorkerFrame, Bye>(*elements);
    default:
      return std::nullopt;
  }
}

std::optional<BrokerFrame> parse_broker_frame(Bytes header) {
  uint64_t type = 0;
  const std::optional<Elements> elements = open_header(header, type);
  if (!elements || type > UINT8_MAX) return std::nullopt;
  switch (static_cast<FrameType>(type)) {
    case FrameType::welcome:
      return read<BrokerFrame, Welcome>(*elements);
    case FrameType::deliver:
      return read<BrokerFrame, Deliver>(*elements);
    case FrameType::confirm:
      return read<BrokerFrame, Confirm>(*elements);
    case FrameType::refuse:
      return read<BrokerFrame, Refuse>(*elements);
    case FrameType::error:
      return read<BrokerFrame, ErrorFrame>(*elements);
    case FrameType::ping:
      return Ping{};
    case FrameType::pong:
      return Pong{};
    case FrameType::bye:
      return read<BrokerFrame, Bye>(*elements);
    default:
      return std::nullopt;
  }
}

void write(std::string& out, const Hello& frame) {
  Packer packer(out, FrameType::hello, 5);
  packer.number(frame.version).text(to_string(frame.role.value())).text(frame.name);
  const bool with_confirmed = frame.confirmed != 0;
  const bool with_prefetch = frame.prefetch != limits::default_prefetch;
  packer.map(size_t{!frame.session.empty()} + with_confirmed + with_prefetch + !frame.client.empty() +
             !frame.instance.empty());
  if (!frame.session.empty()) packer.text("session").binary_or_nil(frame.session);
  if (with_confirmed) packer.text("confirmed").number(frame.confirmed);
  if (with_prefetch) packer.text("prefetch").number(frame.prefetch);
  if (!frame.client.empty()) packer.text("client").text(frame.client);
  if (!frame.instance.empty()) packer.text("instance").text(frame.instance);
}

void write(std::string& out, const Send& frame) {
  Packer(out, FrameType::send, 2).number(frame.first_seq);
}

void write_ack(std::string& out, Seq upto, const Seq* also, size_t also_count) {
  Packer packer(out, FrameType::ack, also_count == 0 ? 2 : 3);
  packer.number(upto);
  if (also_count == 0) return;
  packer.array(also_count);
  for (size_t i = 0; i < also_count; ++i) packer.number(also[i]);
}

void write(std::string& out, const Nack& frame) {
  Packer(out, FrameType::nack, 4).number(frame.seq).text_or_nil(frame.reason).boolean(frame.requeue);
}

void write(std::string& out, const Flow& frame) {
  Packer(out, FrameType::flow, 2).number(frame.prefetch);
}
void write(std::string& out, const Ping&) {
  Packer(out, FrameType::ping, 1);
}
void write(std::string& out, const Pong&) {
  Packer(out, FrameType::pong, 1);
}
void write(std::string& out, const Bye& frame) {
  Packer(out, FrameType::bye, 2).text_or_nil(frame.reason);
}

void write(std::string& out, const Welcome& frame) {
  Packer packer(out, FrameType::welcome, 5);
  packer.number(frame.version).binary_or_nil(frame.session).number(frame.last_seq);
  packer.map(frame.limits.ack_timeout_ms == 0 ? 9 : 10);
  packer.text("heartbeat_ms").number(frame.limits.heartbeat_ms);
  packer.text("max_message_bytes").number(frame.limits.max_message_bytes);
  packer.text("max_batch_bytes").number(frame.limits.max_batch_bytes);
  packer.text("send_window").number(frame.limits.send_window);
  packer.text("send_window_bytes").number(frame.limits.send_window_bytes);
  packer.text("max_prefetch").number(frame.limits.max_prefetch);
  if (frame.limits.ack_timeout_ms != 0) packer.text("ack_timeout_ms").number(frame.limits.ack_timeout_ms);
  packer.text("durable").boolean(frame.limits.durable);
  packer.text("features").array(0);
  packer.text("broker").text(frame.limits.broker);
}

void write(std::string& out, const Deliver& frame) {
  Packer(out, FrameType::deliver, 3).number(frame.first_seq).boolean(frame.redelivered);
}

void write(std::string& out, const Confirm& frame) {
  Packer(out, FrameType::confirm, 2).number(frame.upto);
}

void write(std::string& out, const Refuse& frame) {
  Packer(out, FrameType::refuse, 4).number(frame.seq).text(frame.code).text(frame.text);
}

void write(std::string& out, const ErrorFrame& frame) {
  Packer(out, FrameType::error, 3).text(frame.code).text(frame.text);
}

}  // namespace signalbox
