// A header that parses is one whole array by msgpack-c too, borrows from itself alone, and is the same frame after
// writing and parsing it again. For what workers send, a naive reading of the unpacked objects says what parses and as
// what.
#include <msgpack.hpp>
#include <tuple>
#include <type_traits>
#include <vector>

#include "protocol/header.hpp"
#include "protocol/limits.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/protocol/oracle.hpp"

namespace signalbox::fuzz {
namespace {

using Object = msgpack::object;
using msgpack::type::object_type;

std::vector<Seq> numbers(SeqList list) {
  std::vector<Seq> all;
  while (list.size() > 0) all.push_back(list.take());
  return all;
}

// All that a frame says.
auto content(const Hello& f) {
  return std::tuple(f.version, f.role, f.name, f.session, f.confirmed, f.prefetch, f.client, f.instance);
}
auto content(const Send& f) {
  return std::tuple(f.first_seq);
}
auto content(const Ack& f) {
  return std::tuple(f.upto, numbers(f.also));
}
auto content(const Nack& f) {
  return std::tuple(f.seq, f.reason, f.requeue);
}
auto content(const Flow& f) {
  return std::tuple(f.prefetch);
}
auto content(const Ping&) {
  return std::tuple();
}
auto content(const Pong&) {
  return std::tuple();
}
auto content(const Bye& f) {
  return std::tuple(f.reason);
}
auto content(const Welcome& f) {
  const Limits& l = f.limits;
  return std::tuple(f.version, f.session, f.last_seq, l.heartbeat_ms, l.max_message_bytes, l.max_batch_bytes,
                    l.send_window, l.send_window_bytes, l.max_prefetch, l.durable, l.broker);
}
auto content(const Deliver& f) {
  return std::tuple(f.first_seq, f.redelivered);
}
auto content(const Confirm& f) {
  return std::tuple(f.upto);
}
auto content(const Refuse& f) {
  return std::tuple(f.seq, f.code, f.text);
}
auto content(const ErrorFrame& f) {
  return std::tuple(f.code, f.text);
}

template <typename Frames>
bool same(const Frames& left, const Frames& right) {
  if (left.index() != right.index()) return false;
  return std::visit(
      [&](const auto& frame) { return content(frame) == content(std::get<std::decay_t<decltype(frame)>>(right)); },
      left);
}

template <typename Part>
bool lies_within(const Part& part, Bytes header) {
  if constexpr (std::is_same_v<Part, Bytes>)
    return part.empty() || (part.data() >= header.data() && part.data() + part.size() <= header.data() + header.size());
  return true;
}

template <typename Frames>
bool borrows_from(const Frames& frames, Bytes header) {
  const auto all_parts = [&](const auto&... part) { return (lies_within(part, header) && ...); };
  return std::visit([&](const auto& frame) { return std::apply(all_parts, content(frame)); }, frames);
}

// What the worker or the broker would write; empty: a frame of another version, of which nothing else was read.
template <typename Frames>
std::string written(const Frames& frames) {
  std::string out;
  std::visit(
      [&](const auto& frame) {
        using Frame = std::decay_t<decltype(frame)>;
        if constexpr (std::is_same_v<Frame, Ack>) {
          const std::vector<Seq> also = numbers(frame.also);
          write_ack(out, frame.upto, also.data(), also.size());
        } else if constexpr (std::is_same_v<Frame, Hello>) {
          if (frame.version == limits::protocol_version) write(out, frame);
        } else {
          write(out, frame);
        }
      },
      frames);
  return out;
}

bool is_one_array(Bytes header) {
  const oracle::Boundary found = oracle::boundary(header);
  if (!found.whole || found.bytes != header.size() || found.levels == 0 || found.levels > 32) return false;
  const unsigned tag = static_cast<unsigned char>(header[0]);
  return (tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd;
}

// The naive reader of what workers send. Objects refer to the header's own bytes.

bool is_number(const Object& object) {
  return object.type == object_type::POSITIVE_INTEGER;
}
bool is_text(const Object& object) {
  return object.type == object_type::STR;
}
bool is_nil(const Object& object) {
  return object.type == object_type::NIL;
}
Bytes text_of(const Object& object) {
  return {object.via.str.ptr, object.via.str.size};
}

bool read_option(Bytes key, const Object& value, Hello& hello) {
  if (is_nil(value)) return true;
  if (key == "session") {
    if (value.type != object_type::BIN || value.via.bin.size != 16) return false;
    hello.session = {value.via.bin.ptr, value.via.bin.size};
  } else if (key == "confirmed" || key == "prefetch") {
    if (!is_number(value)) return false;
    (key == "confirmed" ? hello.confirmed : hello.prefetch) = value.via.u64;
  } else if (key == "client" || key == "instance") {
    if (!is_text(value)) return false;
    (key == "client" ? hello.client : hello.instance) = text_of(value);
  } else if (key == "features") {
    if (value.type != object_type::ARRAY) return false;
    for (uint32_t i = 0; i < value.via.array.size; ++i)
      if (!is_text(value.via.array.ptr[i])) return false;
  }
  return true;
}

std::optional<WorkerFrame> read_hello(const std::vector<Object>& elements) {
  Hello hello;
  if (elements.size() < 2 || !is_number(elements[1])) return std::nullopt;
  hello.version = elements[1].via.u64;
  if (hello.version != 1) return hello;
  if (elements.size() < 4 || !is_text(elements[2]) || !is_text(elements[3])) return std::nullopt;
  hello.name = text_of(elements[3]);
  if (text_of(elements[2]) == "transport") hello.role = Role::transport;
  if (text_of(elements[2]) == "application") hello.role = Role::application;
  if (!hello.role) return std::nullopt;
  if (elements.size() == 4) return hello;
  if (elements[4].type != object_type::MAP) return std::nullopt;
  for (uint32_t i = 0; i < elements[4].via.map.size; ++i) {
    const msgpack::object_kv& option = elements[4].via.map.ptr[i];
    if (is_text(option.key) && !read_option(text_of(option.key), option.val, hello)) return std::nullopt;
  }
  return hello;
}

// Numbers of `also` go to `numbers_of_also`; the frame's own list stays empty.
std::optional<WorkerFrame> read_ack(const std::vector<Object>& elements, std::vector<Seq>& numbers_of_also) {
  if (elements.size() < 2 || !is_number(elements[1])) return std::nullopt;
  if (elements.size() > 2) {
    if (elements[2].type != object_type::ARRAY) return std::nullopt;
    for (uint32_t i = 0; i < elements[2].via.array.size; ++i) {
      if (!is_number(elements[2].via.array.ptr[i])) return std::nullopt;
      numbers_of_also.push_back(elements[2].via.array.ptr[i].via.u64);
    }
  }
  return Ack{elements[1].via.u64, {}};
}

std::optional<WorkerFrame> read_naively(const std::vector<Object>& elements, std::vector<Seq>& also) {
  if (elements.empty() || !is_number(elements[0])) return std::nullopt;
  const bool with_number = elements.size() > 1 && is_number(elements[1]);
  const auto reason_at = [&](size_t i) { return is_nil(elements[i]) ? Bytes{} : text_of(elements[i]); };
  const auto is_reason = [](const Object& object) { return is_nil(object) || is_text(object); };
  switch (elements[0].via.u64) {
    case 1:
      return read_hello(elements);
    case 2:
      if (!with_number || elements[1].via.u64 == 0) return std::nullopt;
      return Send{elements[1].via.u64};
    case 3:
      return read_ack(elements, also);
    case 4:
      if (!with_number || elements.size() < 4 || !is_reason(elements[2])) return std::nullopt;
      if (elements[3].type != object_type::BOOLEAN) return std::nullopt;
      return Nack{elements[1].via.u64, reason_at(2), elements[3].via.boolean};
    case 5:
      if (!with_number) return std::nullopt;
      return Flow{elements[1].via.u64};
    case 6:
      return Ping{};
    case 7:
      return Pong{};
    case 8:
      // The reason may be left out as well as nil.
      if (elements.size() == 1) return Bye{};
      if (!is_reason(elements[1])) return std::nullopt;
      return Bye{reason_at(1)};
    default:
      return std::nullopt;
  }
}

void agrees_with_naive_reader(const std::optional<WorkerFrame>& frame, Bytes header) {
  bool referenced = false;
  const auto refer = [](object_type, size_t, void*) { return true; };
  const msgpack::object_handle handle = msgpack::unpack(header.data(), header.size(), referenced, refer);
  const msgpack::object_array& array = handle.get().via.array;
  std::vector<Seq> also;
  const std::optional<WorkerFrame> naive = read_naively({array.ptr, array.ptr + array.size}, also);
  require(frame.has_value() == naive.has_value(), "parsed or not", header);
  if (!frame) return;
  if (const Ack* const ack = std::get_if<Ack>(&*frame)) {
    require(ack->upto == std::get<Ack>(*naive).upto, "another upto", header);
    require(numbers(ack->also) == also, "other numbers in also", header);
    require(parse_worker_frame(header, also.size()).has_value(), "as many numbers in also as allowed", header);
    if (!also.empty()) require(!parse_worker_frame(header, also.size() - 1), "one number too many in also", header);
    return;
  }
  require(same(*frame, *naive), "another frame than the naive reader's", header);
}

template <typename Frames, typename Parse>
void survives_writing(const std::optional<Frames>& frame, Bytes header, const Parse& parse) {
  if (!frame) return;
  require(is_one_array(header), "parsed, and is not one whole array", header);
  require(borrows_from(*frame, header), "a part lies outside the header", header);
  const std::string again = written(*frame);
  if (again.empty()) return;
  const std::optional<Frames> reread = parse(again);
  require(reread.has_value(), "what was written does not parse", header);
  require(same(*frame, *reread), "another frame after writing and parsing", header);
}

}  // namespace

void header(Bytes input) {
  const auto parse_worker = [](Bytes bytes) { return parse_worker_frame(bytes, limits::max_prefetch); };
  const std::optional<WorkerFrame> from_worker = parse_worker(input);
  survives_writing(from_worker, input, parse_worker);
  if (is_one_array(input)) agrees_with_naive_reader(from_worker, input);
  survives_writing(parse_broker_frame(input), input, parse_broker_frame);
}

}  // namespace signalbox::fuzz
