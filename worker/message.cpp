#include "worker/message.hpp"

#include <pthread.h>
#include <sys/random.h>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>
#include <functional>
#include <msgpack.hpp>
#include <mutex>

#include "protocol/limits.hpp"
#include "protocol/rewrite.hpp"

namespace signalbox {
namespace {

constexpr std::string_view message_version = "20110921";
constexpr size_t typical_message_bytes = 1024;
constexpr size_t typical_fields = 24;

// Where msgpack-c's packer writes.
struct Appender {
  std::string& out;
  void write(const char* data, size_t size) { out.append(data, size); }
};
using Packer = msgpack::packer<Appender>;

void pack_text(std::string& out, std::string_view text) {
  Appender appender{out};
  Packer packer(appender);
  packer.pack_str(static_cast<uint32_t>(text.size()));
  packer.pack_str_body(text.data(), static_cast<uint32_t>(text.size()));
}

// The text of an encoded str; empty for a value of another type.
std::string_view text_of(Bytes encoded) {
  if (encoded.empty()) return {};
  const auto head = static_cast<uint8_t>(encoded[0]);
  size_t header_bytes = 0;
  if ((head & 0xe0) == 0xa0) header_bytes = 1;
  if (head == 0xd9) header_bytes = 2;
  if (head == 0xda) header_bytes = 3;
  if (head == 0xdb) header_bytes = 5;
  if (header_bytes == 0 || header_bytes > encoded.size()) return {};
  return encoded.substr(header_bytes);
}

// An integer if the value is one that fits.
struct IntegerReader : msgpack::null_visitor {
  std::optional<int64_t> number;
  bool visit_positive_integer(uint64_t value) {
    if (value <= static_cast<uint64_t>(INT64_MAX)) number = static_cast<int64_t>(value);
    return true;
  }
  bool visit_negative_integer(int64_t value) {
    number = value;
    return true;
  }
  bool start_array(uint32_t) { return false; }
  bool start_map(uint32_t) { return false; }
};

// Random bytes of the kernel, fetched by the page: one system call for 256 ids. A forked child must not hand out what
// its parent will, so a fork empties the page.
std::atomic<uint32_t> forks{0};

void fill_random(uint8_t* out, size_t size) {
  static std::once_flag watched;
  std::call_once(watched,
                 [] { pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); }); });
  thread_local std::array<uint8_t, 4096> page;
  thread_local size_t used = page.size();
  thread_local uint32_t page_forks = 0;
  const uint32_t now_forks = forks.load(std::memory_order_relaxed);
  if (used + size > page.size() || page_forks != now_forks) {
    // Up to 256 bytes never come short; a page may, where a signal falls in between.
    for (size_t filled = 0; filled < page.size();) {
      const ssize_t got = getrandom(page.data() + filled, page.size() - filled, 0);
      if (got > 0) filled += static_cast<size_t>(got);
    }
    used = 0;
    page_forks = now_forks;
  }
  std::memcpy(out, page.data() + used, size);
  used += size;
}

bool within(Bytes whole, Bytes part) {
  const std::less<const char*> before;
  return !before(part.data(), whole.data()) && before(part.data(), whole.data() + whole.size());
}

void put_digits(char* out, unsigned value, int digits) {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

}  // namespace

std::string new_message_id() {
  constexpr char hex[] = "0123456789abcdef";
  std::array<uint8_t, 16> random;
  fill_random(random.data(), random.size());
  random[6] = static_cast<uint8_t>((random[6] & 0x0f) | 0x40);  // version 4
  random[8] = static_cast<uint8_t>((random[8] & 0x3f) | 0x80);  // the variant of RFC 4122
  std::string id(32, '0');
  for (size_t i = 0; i < random.size(); ++i) {
    id[2 * i] = hex[random[i] >> 4];
    id[2 * i + 1] = hex[random[i] & 0xf];
  }
  return id;
}

std::string timestamp_now() {
  using namespace std::chrono;
  const auto now = floor<microseconds>(system_clock::now());
  const auto day = floor<days>(now);
  const year_month_day date(day);
  const hh_mm_ss time(now - day);
  std::string text = "0000-00-00 00:00:00.000000";
  put_digits(&text[0], static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put_digits(&text[5], static_cast<unsigned>(date.month()), 2);
  put_digits(&text[8], static_cast<unsigned>(date.day()), 2);
  put_digits(&text[11], static_cast<unsigned>(time.hours().count()), 2);
  put_digits(&text[14], static_cast<unsigned>(time.minutes().count()), 2);
  put_digits(&text[17], static_cast<unsigned>(time.seconds().count()), 2);
  put_digits(&text[20], static_cast<unsigned>(time.subseconds().count()), 6);
  return text;
}

// Takes an encoded map apart: what stands at its top becomes entries, every value is written anew as it is met.
class Message::Reader : public msgpack::null_visitor {
 public:
  explicit Reader(Message& message) : message_(message), appender_{message.bytes_}, packer_(appender_) {}

  bool visit_nil() { return value() && (packer_.pack_nil(), true); }
  bool visit_boolean(bool flag) { return value() && (flag ? packer_.pack_true() : packer_.pack_false(), true); }
  bool visit_positive_integer(uint64_t number) { return value() && (packer_.pack_uint64(number), true); }
  bool visit_negative_integer(int64_t number) { return value() && (packer_.pack_int64(number), true); }
  bool visit_float32(float number) { return value() && append_float('\xca', std::bit_cast<uint32_t>(number)); }
  bool visit_float64(double number) { return value() && append_float('\xcb', std::bit_cast<uint64_t>(number)); }
  bool visit_bin(const char* data, uint32_t size) {
    return value() && (packer_.pack_bin(size).pack_bin_body(data, size), true);
  }
  bool visit_ext(const char* data, uint32_t size) {  // the first byte is the type
    return value() &&
           (packer_.pack_ext(size - 1, static_cast<int8_t>(data[0])).pack_ext_body(data + 1, size - 1), true);
  }
  bool visit_str(const char* data, uint32_t size) {
    if (in_top_key_) {
      message_.begin_entry({data, size});
      return true;
    }
    return value() && (packer_.pack_str(size).pack_str_body(data, size), true);
  }
  bool start_array(uint32_t size) { return value() && enter() && (packer_.pack_array(size), true); }
  bool end_array() { return leave(); }
  bool start_map(uint32_t size) {
    if (level_ > 0) return value() && enter() && (packer_.pack_map(size), true);
    return enter();
  }
  bool end_map() { return leave(); }
  bool start_map_key() {
    in_top_key_ = level_ == 1;
    return true;
  }
  bool end_map_key() {
    in_top_key_ = false;
    return true;
  }
  bool end_map_value() {
    if (level_ == 1) message_.end_entry();
    return true;
  }

 private:
  // False: a key at the top that is no text, or a message that is no map.
  bool value() const { return level_ > 0 && !in_top_key_; }
  // msgpack-c would pack a float without a fraction as an integer, and so give it another type.
  template <typename Bits>
  bool append_float(char head, Bits bits) {
    message_.bytes_ += head;
    for (int shift = 8 * sizeof bits - 8; shift >= 0; shift -= 8) message_.bytes_ += static_cast<char>(bits >> shift);
    return true;
  }
  bool enter() { return ++level_ <= limits::nesting_levels_max; }
  bool leave() {
    --level_;
    return true;
  }

  Message& message_;
  Appender appender_;
  Packer packer_;
  uint32_t level_ = 0;
  bool in_top_key_ = false;
};

bool Message::decode(Bytes bytes) {
  bytes_.clear();
  entries_.clear();
  bytes_.reserve(bytes.size());
  entries_.reserve(typical_fields);
  Reader reader(*this);
  size_t offset = 0;
  if (!bytes.empty() && msgpack::parse(bytes.data(), bytes.size(), offset, reader) && offset == bytes.size())
    return true;
  bytes_.clear();
  entries_.clear();
  return false;
}

void Message::encode(std::string& out) const {
  out.clear();
  Appender appender{out};
  Packer(appender).pack_map(static_cast<uint32_t>(entries_.size()));
  for (const Entry& entry : entries_) out.append(bytes_, entry.offset, entry.end - entry.offset);
}

std::string Message::encoded() const {
  std::string out;
  out.reserve(bytes_.size() + 5);
  encode(out);
  return out;
}

const Message::Entry* Message::find(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (slice(entry.key_text, entry.value) == key) return &entry;
  }
  return nullptr;
}

Bytes Message::value(std::string_view key) const {
  const Entry* entry = find(key);
  return entry == nullptr ? Bytes() : slice(entry->value, entry->end);
}

bool Message::has(std::string_view key) const {
  const Bytes found = value(key);
  return !found.empty() && found[0] != '\xc0';
}

std::string_view Message::text(std::string_view key) const {
  return text_of(value(key));
}

std::optional<int64_t> Message::integer(std::string_view key) const {
  const Bytes found = value(key);
  IntegerReader reader;
  size_t offset = 0;
  if (!found.empty()) msgpack::parse(found.data(), found.size(), offset, reader);
  return reader.number;
}

std::string_view Message::endpoint_name() const {
  const Bytes metadata = value("routing_metadata");
  return metadata.empty() || metadata[0] == '\xc0' ? "" : text_of(find_value(metadata, {"endpoint_name"}));
}

// A new entry at the end; its value is what is appended next.
void Message::begin_entry(std::string_view key) {
  Entry entry;
  entry.offset = static_cast<uint32_t>(bytes_.size());
  pack_text(bytes_, key);
  entry.value = static_cast<uint32_t>(bytes_.size());
  entry.key_text = entry.value - static_cast<uint32_t>(key.size());
  entries_.push_back(entry);
}

// The field's value becomes `head` and `body`, laid end to end: in place where the length is the same; else at the end
// of the buffer, while the entry keeps its place among the others.
Message& Message::place(std::string_view key, Bytes head, Bytes body) {
  if (within(bytes_, key) || within(bytes_, body)) {  // the buffer may move while it grows
    const std::string own_key(key);
    const std::string own_body(body);
    return place(own_key, head, own_body);
  }
  const Entry* old = find(key);
  const size_t value_bytes = head.size() + body.size();
  if (old != nullptr && value_bytes == old->end - old->value) {
    bytes_.replace(old->value, head.size(), head).replace(old->value + head.size(), body.size(), body);
    return *this;
  }
  const size_t index = old == nullptr ? entries_.size() : static_cast<size_t>(old - entries_.data());
  begin_entry(key);
  bytes_.append(head).append(body);
  end_entry();
  if (index + 1 < entries_.size()) {
    entries_[index] = entries_.back();
    entries_.pop_back();
  }
  return *this;
}

Message& Message::set_value(std::string_view key, Bytes encoded) {
  return place(key, {}, encoded);
}

Message& Message::set_text(std::string_view key, std::string_view text) {
  std::string head;  // at most five bytes, so it allocates nothing
  Appender appender{head};
  Packer(appender).pack_str(static_cast<uint32_t>(text.size()));
  return place(key, head, text);
}

Message& Message::set_integer(std::string_view key, int64_t number) {
  std::string encoded;
  Appender appender{encoded};
  Packer(appender).pack_int64(number);
  return place(key, encoded, {});
}

Message& Message::set_nil(std::string_view key) {
  return place(key, "\xc0", {});
}

Message& Message::set_endpoint_name(std::string_view name) {
  std::string map("\x81");
  pack_text(map, "endpoint_name");
  pack_text(map, name);
  return place("routing_metadata", map, {});
}

void Message::copy_field(std::string_view key, const Message& from) {
  const Bytes found = from.value(key);
  if (!found.empty()) set_value(key, found);
}

Message Message::user_message() {
  constexpr std::string_view empty_map = "\x80";
  Message message;
  message.bytes_.reserve(typical_message_bytes);
  message.entries_.reserve(typical_fields);
  message.set_text("message_type", "user_message")
      .set_text("message_version", message_version)
      .set_text("message_id", new_message_id())
      .set_text("timestamp", timestamp_now());
  for (const auto key :
       {"to_addr", "from_addr", "in_reply_to", "content", "session_event", "transport_name", "transport_type"}) {
    message.set_nil(key);
  }
  for (const auto key : {"transport_metadata", "helper_metadata", "routing_metadata"})
    message.set_value(key, empty_map);
  message.set_nil("group").set_nil("provider");
  return message;
}

Message Message::reply(std::string_view content, Session session) const {
  Message answer = user_message();
  for (const auto key :
       {"transport_name", "transport_type", "transport_metadata", "helper_metadata", "group", "provider"}) {
    answer.copy_field(key, *this);
  }
  answer.set_in_reply_to(message_id()).set_content(content);
  answer.set_value("to_addr", has("from_addr") ? value("from_addr") : Bytes("\xc0"));
  answer.set_value("from_addr", has("to_addr") ? value("to_addr") : Bytes("\xc0"));
  if (session == Session::close) answer.set_session_event("close");
  if (!endpoint_name().empty()) answer.set_endpoint_name(endpoint_name());
  return answer;
}

// The broker fills in transport_name with the name of the transport that sends the event.
Message Message::event(std::string_view event_type) const {
  constexpr std::string_view empty_map = "\x80";
  Message message;
  message.bytes_.reserve(typical_message_bytes / 2);
  message.entries_.reserve(typical_fields / 2);
  message.set_text("message_type", "event")
      .set_text("message_version", message_version)
      .set_text("event_id", new_message_id())
      .set_text("event_type", event_type)
      .set_text("user_message_id", message_id())
      .set_text("timestamp", timestamp_now())
      .set_nil("transport_name")
      .set_nil("transport_type");
  for (const auto key : {"transport_metadata", "helper_metadata", "routing_metadata"})
    message.set_value(key, empty_map);
  message.copy_field("transport_type", *this);
  return message;
}

Message Message::ack(std::string_view sent_message_id) const {
  Message message = event("ack");
  message.set_text("sent_message_id", sent_message_id);
  return message;
}

Message Message::nack(std::string_view reason) const {
  Message message = event("nack");
  message.set_text("nack_reason", reason);
  return message;
}

Message Message::delivery_report(std::string_view delivery_status) const {
  Message message = event("delivery_report");
  message.set_text("delivery_status", delivery_status);
  return message;
}

}  // namespace signalbox
