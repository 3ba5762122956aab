// Idea: note first, judge last. The pass over the map only finds ends and sets bits, since message_type may come behind
// the fields that it decides about; the verdict then is a few mask operations, and the texts that the kind of message
// has are looked at once more for UTF-8. Values that routing does not read cost one look-up of their tag. Rejected:
// stopping at the first fault (the end must be found anyway, so that the batch goes on behind the message), and a hash
// of the keys (their lengths tell all but three pairs apart).
#include "protocol/message_view.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "protocol/limits.hpp"
#include "protocol/text.hpp"
#include "protocol/value.hpp"

namespace signalbox {
namespace {

using value::Head;
using value::Type;

// One row of the protocol's table of fields, with the texts of its faults.
struct Row {
  std::string_view key;
  std::string_view missing;
  std::string_view twice;
  std::string_view wrong_type;
  std::string_view no_utf8;
};

#define SIGNALBOX_ROW(key, type)                                                           \
  Row {                                                                                    \
    key, key " is missing", key " is given twice", key " is no " type, key " is not UTF-8" \
  }
constexpr std::array<Row, field_count> rows = {
    SIGNALBOX_ROW("message_type", "text"),   SIGNALBOX_ROW("message_id", "text"),
    SIGNALBOX_ROW("in_reply_to", "text"),    SIGNALBOX_ROW("transport_name", "text"),
    SIGNALBOX_ROW("to_addr", "text"),        SIGNALBOX_ROW("from_addr", "text"),
    SIGNALBOX_ROW("content", "text"),        SIGNALBOX_ROW("routing_metadata", "map"),
    SIGNALBOX_ROW("helper_metadata", "map"), SIGNALBOX_ROW("user_message_id", "text"),
    SIGNALBOX_ROW("event_id", "text"),       SIGNALBOX_ROW("event_type", "text"),
};
#undef SIGNALBOX_ROW

constexpr uint32_t bit(Field field) {
  return 1U << static_cast<unsigned>(field);
}

template <typename... Fields>
constexpr uint32_t bits(Fields... fields) {
  return (bit(fields) | ...);
}

constexpr uint32_t maps = bits(Field::routing_metadata, Field::helper_metadata);
constexpr uint32_t for_both = maps | bits(Field::message_type, Field::transport_name);
constexpr uint32_t for_user_message =
    for_both | bits(Field::message_id, Field::in_reply_to, Field::to_addr, Field::from_addr, Field::content);
constexpr uint32_t for_event = for_both | bits(Field::user_message_id, Field::event_id, Field::event_type);
constexpr uint32_t required_of_user_message = bits(Field::message_type, Field::message_id);
constexpr uint32_t required_of_event =
    bits(Field::message_type, Field::user_message_id, Field::event_id, Field::event_type);

constexpr uint32_t level_of_fields = 2;           // the message's own map is level 1
constexpr uint32_t level_of_routing_entries = 3;  // values within routing_metadata

template <typename Word>
Word load_word(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// `key` holds the constant `name`: two words that may overlap, and no branch between them. REQUIRES: 4 to 16 bytes.
inline bool equals(const char* key, std::string_view name) {
  const size_t last_8 = name.size() - 8;
  const size_t last_4 = name.size() - 4;
  const char* const text = name.data();
  if (name.size() >= 8)
    return ((load_word<uint64_t>(key) ^ load_word<uint64_t>(text)) |
            (load_word<uint64_t>(key + last_8) ^ load_word<uint64_t>(text + last_8))) == 0;
  return ((load_word<uint32_t>(key) ^ load_word<uint32_t>(text)) |
          (load_word<uint32_t>(key + last_4) ^ load_word<uint32_t>(text + last_4))) == 0;
}

// The tag of a text of up to 31 bytes.
constexpr unsigned short_text(unsigned bytes) {
  return 0xa0U | bytes;
}

Field lowest(uint32_t mask) {
  return static_cast<Field>(std::countr_zero(mask));
}

// No byte of the `bytes` at `text` has its high bit set; false negatives are allowed. Texts of up to 32 bytes are most
// of those that routing reads, and are tested at once, whatever their length, where as much may be read before `end`.
inline bool is_ascii_before(const char* text, size_t bytes, const char* end) {
#ifdef __SSE2__
  if (bytes <= 32 && end - text >= 32) {
    const auto high_bits = [](const char* at) {
      __m128i block;
      std::memcpy(&block, at, sizeof block);
      return static_cast<uint32_t>(_mm_movemask_epi8(block));
    };
    const uint32_t bits = high_bits(text) | high_bits(text + 16) << 16;
    return bits << (-bytes & 31) == 0;  // the bits of what lies behind the text are shifted out; empty: not shifted
  }
#else
  static_cast<void>(end);
#endif
  return is_ascii({text, bytes});
}

}  // namespace

std::string_view to_string(Field field) {
  return rows[static_cast<size_t>(field)].key;
}

MessageView::RoutingMetadata MessageView::pass_routing_metadata(const char* at, const char* end) {
  RoutingMetadata found;
  const Head map = value::read_head(at, end);
  at = map.payload;
  for (uint32_t entries = map.count; entries > 0 && at != nullptr; --entries) {
    const Head key = value::read_head(at, end);
    const value::End key_end = value::skip(at, end, level_of_routing_entries);
    if (key_end.behind == nullptr) return {};
    const Head head = value::read_head(key_end.behind, end);
    if (key.type == Type::text && Bytes{key.payload, key.count} == "endpoint_name") {
      found.twice |= found.seen;
      found.seen = true;
      if (head.type == Type::text) found.endpoint_name = {head.payload, head.count};
      if (head.type != Type::text && head.type != Type::nil) found.wrong_type = true;
    }
    const value::End value_end = value::skip(key_end.behind, end, level_of_routing_entries);
    found.too_deep |= key_end.too_deep || value_end.too_deep;
    at = value_end.behind;
  }
  found.behind = at;
  return found;
}

struct MessageView::Findings {
  // Bit i: field i.
  uint32_t seen = 0;
  uint32_t nil = 0;
  uint32_t twice = 0;
  uint32_t wrong_type = 0;
  uint32_t beyond_ascii = 0;  // texts that have to be looked at for UTF-8
  bool key_no_text = false;
  bool too_deep = false;
  RoutingMetadata routing_metadata;
};

// The walk over one message. It is all inlined into scan(), so that what each field touches (`seen_`, `nil_`) stays in
// registers; what is rare lies in the findings and is written where it happens only.
class MessageView::Pass {
 public:
  Pass(const char* data, const char* end, std::array<Value, field_count>& fields, Findings& found)
      : data_(data), end_(end), fields_(fields), found_(found) {}

  // Where the message ends; null: broken. REQUIRES: a map's tag at its beginning.
  [[gnu::always_inline]] inline const char* run() {
    const Head head = value::read_head(data_, end_);
    const char* at = head.payload;
    for (uint32_t entries = head.count; entries > 0 && at != nullptr; --entries) at = entry(at);
    found_.seen = seen_;
    found_.nil = nil_;
    return at;
  }

 private:
  // Each of these passes one value. REQUIRES: its first byte is there.

  // That of a key that is not read here.
  [[gnu::always_inline]] inline const char* unread(const char* at) {
    const value::End value_end = value::skip_present(at, end_, level_of_fields);
    if (value_end.too_deep) [[unlikely]]
      found_.too_deep = true;
    return value_end.behind;
  }

  template <Field field>
  [[gnu::always_inline]] inline const char* note(const char* at, const char* payload, const char* behind) {
    const auto offset = [this](const char* place) { return static_cast<uint32_t>(place - data_); };
    if ((seen_ & bit(field)) != 0) [[unlikely]]
      found_.twice |= bit(field);
    seen_ |= bit(field);
    fields_[index(field)] = {offset(at), offset(payload), offset(behind)};
    return behind;
  }

  template <Field field>
  [[gnu::always_inline]] inline const char* text(const char* at) {
    const unsigned tag = static_cast<unsigned char>(*at);
    if (tag == value::nil_tag) {
      nil_ |= bit(field);
      return note<field>(at, at + 1, at + 1);
    }
    Head head{Type::text, tag & 0x1f, at + 1};
    if (!value::is_short_text(tag)) [[unlikely]] {
      head = tag == value::text_1_tag && end_ - at >= 2 ? Head{Type::text, static_cast<unsigned char>(at[1]), at + 2}
                                                        : value::read_head(at, end_);
      if (head.type != Type::text) {
        if (head.payload == nullptr) return nullptr;
        found_.wrong_type |= bit(field);
        const char* const behind = unread(at);
        return behind == nullptr ? nullptr : note<field>(at, head.payload, behind);
      }
    }
    if (static_cast<size_t>(end_ - head.payload) < head.count) return nullptr;
    if (!is_ascii_before(head.payload, head.count, end_)) found_.beyond_ascii |= bit(field);
    return note<field>(at, head.payload, head.payload + head.count);
  }

  template <Field field>
  [[gnu::always_inline]] inline const char* map(const char* at) {
    const unsigned tag = static_cast<unsigned char>(*at);
    if (tag == value::nil_tag) {
      nil_ |= bit(field);
      return note<field>(at, at + 1, at + 1);
    }
    if (tag == value::empty_map_tag) return note<field>(at, at + 1, at + 1);
    const Head head = value::read_head(at, end_);
    if (head.payload == nullptr) return nullptr;
    const char* behind = nullptr;
    if (head.type == Type::map && field == Field::routing_metadata) {
      found_.routing_metadata = pass_routing_metadata(at, end_);
      if (found_.routing_metadata.too_deep) found_.too_deep = true;
      behind = found_.routing_metadata.behind;
    } else {
      if (head.type != Type::map) found_.wrong_type |= bit(field);
      behind = unread(at);
    }
    return behind == nullptr ? nullptr : note<field>(at, head.payload, behind);
  }

  // Behind a key of `key_bytes` bytes there is at least one byte of a value.
  bool has_value(const char* key, size_t key_bytes) const { return end_ - key > static_cast<ptrdiff_t>(key_bytes); }

  // A key as long as these: one of them, or none that is read here. Names are constants, so a comparison is a few
  // words.
  template <Field field, Field... others>
  [[gnu::always_inline]] inline const char* one_of(const char* key) {
    constexpr std::string_view name = rows[index(field)].key;
    if (!has_value(key, name.size())) return nullptr;
    static_assert(name.size() >= 4 && name.size() <= 16);
    if (equals(key, name)) [[likely]] {
      if constexpr ((bit(field) & maps) != 0) return map<field>(key + name.size());
      return text<field>(key + name.size());
    }
    if constexpr (sizeof...(others) > 0) return one_of<others...>(key);
    return unread(key + name.size());
  }

  [[gnu::always_inline]] inline const char* none_of(const char* key, size_t key_bytes) {
    return has_value(key, key_bytes) ? unread(key + key_bytes) : nullptr;
  }

  // One key and its value. Each length of a key is a case of its own, so that the place of the value is a constant away
  // from the key's: the walk over a message is one chain of loads, and this takes half the links out of it. A key with
  // a longer head than it needs comes round a second time, as the short one that it could have been.
  [[gnu::always_inline]] inline const char* entry(const char* at) {
    if (at >= end_) return nullptr;
    const char* key = at + 1;
    unsigned tag = static_cast<unsigned char>(*at);
    while (true) {
      switch (tag) {
        case short_text(5):
          return none_of(key, 5);
        case short_text(7):
          return one_of<Field::to_addr, Field::content>(key);
        case short_text(8):
          return one_of<Field::event_id>(key);
        case short_text(9):
          return one_of<Field::from_addr>(key);
        case short_text(10):
          return one_of<Field::message_id, Field::event_type>(key);
        case short_text(11):
          return one_of<Field::in_reply_to>(key);
        case short_text(12):
          return one_of<Field::message_type>(key);
        case short_text(13):
          return none_of(key, 13);
        case short_text(14):
          return one_of<Field::transport_name>(key);
        case short_text(15):
          return one_of<Field::helper_metadata, Field::user_message_id>(key);
        case short_text(16):
          return one_of<Field::routing_metadata>(key);
        case short_text(18):
          return none_of(key, 18);
        default:
          break;
      }
      if (value::is_short_text(tag)) return none_of(key, tag & 0x1f);
      const Head head = value::read_head(at, end_);
      if (head.type != Type::text) {
        found_.key_no_text = true;
        const value::End key_end = value::skip(at, end_, level_of_fields);
        if (key_end.too_deep) found_.too_deep = true;
        return key_end.behind == nullptr ? nullptr : none_of(key_end.behind, 0);
      }
      if (head.count > 0x1f) return none_of(head.payload, head.count);
      key = head.payload;
      tag = short_text(head.count);
    }
  }

  const char* const data_;
  const char* const end_;
  std::array<Value, field_count>& fields_;
  Findings& found_;
  uint32_t seen_ = 0;
  uint32_t nil_ = 0;
};

Scan MessageView::broken(std::string_view fault) {
  size_ = 0;
  present_ = 0;
  fields_.fill({});
  endpoint_name_ = {};
  fault_ = fault;
  return Scan::broken;
}

Scan MessageView::scan(Bytes bytes) {
  if (bytes.empty() || value::tag_at(bytes.data()).type != Type::map) return broken("not a map");
  // Offsets have 32 bits. What lies beyond them cannot be part of a message: a body is far smaller.
  const char* const end = bytes.data() + std::min<size_t>(bytes.size(), std::numeric_limits<uint32_t>::max());
  data_ = bytes.data();
  fields_.fill({});
  Findings found;
  const char* const behind = Pass(data_, end, fields_, found).run();
  if (behind == nullptr) return broken("the bytes end within a message, or hold a tag that MessagePack never uses");
  size_ = static_cast<uint32_t>(behind - data_);
  fault_ = judge(found);
  return fault_.empty() ? Scan::ok : Scan::malformed;
}

inline std::string_view MessageView::judge(const Findings& found) {
  const uint32_t present = found.seen & ~found.nil;
  present_ = static_cast<uint16_t>(present);
  endpoint_name_ = found.routing_metadata.endpoint_name;
  if (found.too_deep) return "nesting is deeper than 32 levels";
  if (found.key_no_text) return "a key is no text";
  constexpr uint32_t type_bit = bit(Field::message_type);
  if ((found.twice & type_bit) != 0) return rows[index(Field::message_type)].twice;
  if ((found.wrong_type & type_bit) != 0) return rows[index(Field::message_type)].wrong_type;
  if ((present & type_bit) == 0) return rows[index(Field::message_type)].missing;
  const std::string_view type = text(Field::message_type);
  const bool is_event = type == "event";
  if (!is_event && type != "user_message") return "message_type is neither user_message nor event";
  kind_ = is_event ? MessageKind::event : MessageKind::user_message;
  const uint32_t judged = is_event ? for_event : for_user_message;
  const uint32_t required = is_event ? required_of_event : required_of_user_message;
  if (const uint32_t twice = found.twice & judged; twice != 0) return rows[index(lowest(twice))].twice;
  if (const uint32_t wrong = found.wrong_type & judged; wrong != 0) return rows[index(lowest(wrong))].wrong_type;
  if (const uint32_t missing = required & ~present; missing != 0) return rows[index(lowest(missing))].missing;
  if (found.routing_metadata.twice) return "endpoint_name is given twice";
  if (found.routing_metadata.wrong_type) return "endpoint_name is no text";
  for (uint32_t unread = found.seen & ~judged; unread != 0; unread &= unread - 1) fields_[index(lowest(unread))] = {};
  present_ = static_cast<uint16_t>(present & judged);
  for (uint32_t texts = found.beyond_ascii & judged; texts != 0; texts &= texts - 1)
    if (!is_utf8(text(lowest(texts)))) return rows[index(lowest(texts))].no_utf8;
  return judge_values();
}

inline std::string_view MessageView::judge_values() const {
  if (!endpoint_name_.empty() && !is_utf8(endpoint_name_)) return "endpoint_name is not UTF-8";
  if (kind_ == MessageKind::user_message) {
    const size_t bytes = text(Field::message_id).size();
    if (bytes == 0) return "message_id is empty";
    if (bytes > limits::message_id_bytes_max) return "message_id is longer than 255 bytes";
    return {};
  }
  const size_t bytes = text(Field::user_message_id).size();
  if (bytes == 0) return "user_message_id is empty";
  if (bytes > limits::message_id_bytes_max) return "user_message_id is longer than 255 bytes";
  const std::string_view type = text(Field::event_type);
  if (type != "ack" && type != "nack" && type != "delivery_report")
    return "event_type is neither ack, nack nor delivery_report";
  return {};
}

// The pass that knows the keys is twice as fast as one that knows nothing, so it serves here too.
std::optional<size_t> map_bytes(Bytes bytes) {
  MessageView view;
  if (view.scan(bytes) == Scan::broken) return std::nullopt;
  return view.bytes().size();
}

}  // namespace signalbox
