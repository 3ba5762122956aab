// Idea: what the pass over a message spends its time on is a chain, the length of one value telling where the next one
// lies. A stencil knows lengths beforehand and compares; comparisons wait for nothing, and the processor does several
// at once. Only hinges are a chain still. Masks keep the comparison honest: keys, tags and lengths must be the same to
// the bit, texts that are judged may be any ASCII (0x80 for each byte), and what nobody reads may be anything. Values
// with a nesting must be the same throughout, or are hinges. Comparisons keep within the message: the last one of a
// piece ends where the piece does, and what it holds of others is masked out.
//
// Rejected: whole vectors behind the piece (the message may be the last of its frame); hinges without a branch between
// the sorts of text (a branch that is foreseen is no link of the chain, which is worth more than those that are not).
#include "protocol/stencil.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "protocol/text.hpp"
#include "protocol/value.hpp"

namespace signalbox {
namespace {

using value::Head;
using value::Type;

constexpr size_t steady_value_bytes_max = 128;  // a longer one is a hinge from the start
constexpr uint32_t level_of_fields = 2;         // the message's own map is level 1

constexpr uint16_t bit(Field field) {
  return static_cast<uint16_t>(1U << static_cast<unsigned>(field));
}

constexpr uint16_t judged_by_value = bit(Field::message_id) | bit(Field::user_message_id) | bit(Field::event_type);
constexpr uint16_t never_nil = judged_by_value | bit(Field::event_id);

std::optional<Field> field_of(const Head& key) {
  if (key.type != Type::text) return std::nullopt;
  for (size_t i = 0; i < field_count; ++i)
    if (to_string(static_cast<Field>(i)) == Bytes{key.payload, key.count}) return static_cast<Field>(i);
  return std::nullopt;
}

// 16 bytes from the nth on: the last n of them are 0x80, the others 0. For n up to 16.
constexpr auto high_bits_masks = [] {
  std::array<char, 32> table{};
  for (size_t i = 16; i < table.size(); ++i) table[i] = '\x80';
  return table;
}();

// Comparisons that follow on each other are done by the block: with as few instructions as the processor has vectors
// for.
constexpr size_t comparisons_per_block = 4;
#ifdef __x86_64__
#ifdef SIGNALBOX_WITHOUT_AVX2  // for the tests: as on a processor that has none
constexpr bool has_avx2 = false;
#else
const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
#endif
#endif

}  // namespace

inline Stencil::Vector Stencil::load(const char* at) {
  Vector vector;
  std::memcpy(&vector, at, sizeof vector);
  return vector;
}

inline bool Stencil::any(Vector vector) {
  return (vector[0] | vector[1]) != 0;
}

inline Stencil::Vector Stencil::differences(const char* at, size_t comparison) const {
  return (load(at) & comparisons_.masks[comparison]) ^ comparisons_.right[comparison];
}

// Of so many blocks, the first of which begins with this comparison. Wide: a vector, of which a block has some.
template <typename Wide>
[[gnu::always_inline]] inline Stencil::Vector Stencil::block_differences(const char* at, size_t first,
                                                                         size_t blocks) const {
  const auto* const right = reinterpret_cast<const char*>(&comparisons_.right[first]);
  const auto* const masks = reinterpret_cast<const char*>(&comparisons_.masks[first]);
  Wide all{};
#pragma GCC unroll 4
  for (size_t i = 0; i < blocks * comparisons_per_block * vector_bytes; i += sizeof(Wide)) {
    Wide found;
    Wide mask;
    Wide expected;
    std::memcpy(&found, at + i, sizeof found);
    std::memcpy(&mask, masks + i, sizeof mask);
    std::memcpy(&expected, right + i, sizeof expected);
    all |= (found & mask) ^ expected;
  }
  std::array<Vector, sizeof(Wide) / vector_bytes> parts;
  std::memcpy(parts.data(), &all, sizeof all);
  Vector any_part{};
  for (const Vector& part : parts) any_part |= part;
  return any_part;
}

#ifdef __x86_64__
[[gnu::target("avx2")]] Stencil::Vector Stencil::avx2_block_differences(const char* at, size_t first,
                                                                        size_t blocks) const {
  using Wide [[gnu::vector_size(32)]] = uint64_t;
  return block_differences<Wide>(at, first, blocks);
}
#endif

inline Stencil::Vector Stencil::differences_of_blocks(const char* at, size_t first, size_t blocks) const {
#ifdef __x86_64__
  if (has_avx2) return avx2_block_differences(at, first, blocks);
#endif
  return block_differences<Vector>(at, first, blocks);
}

// Ones where the piece at `at` is not what it should be. REQUIRES: as many bytes as it needs.
[[gnu::always_inline]] inline Stencil::Vector Stencil::differences(const char* at, const Piece& piece,
                                                                   size_t first) const {
  const size_t last = first + piece.last_comparison;
  Vector all = differences(at + piece.last_at, last);
  if (const size_t blocks = (last - first) / comparisons_per_block; blocks != 0) {
    all |= differences_of_blocks(at, first, blocks);
    first += blocks * comparisons_per_block;
    at += blocks * comparisons_per_block * vector_bytes;
  }
  for (; first != last; ++first, at += vector_bytes) all |= differences(at, first);
  return all;
}

// Of a text, of up to 32 bytes or any. REQUIRES: 16 bytes of the message up to its end; what stands before a shorter
// text is masked out.
template <bool up_to_32>
[[gnu::always_inline]] inline Stencil::Vector Stencil::high_bits(const char* text, const char* behind) {
  const char* const last = behind - vector_bytes;
  Vector all = load(std::min(text, last)) | load(last);
  if constexpr (!up_to_32)
    for (const char* at = text + vector_bytes; at < last; at += vector_bytes) all |= load(at);
  return all & load(high_bits_masks.data() + std::min<ptrdiff_t>(behind - text, vector_bytes));
}

// A value: where it begins, where it goes on behind its head, and where it ends. No end: it does not fit.
struct Stencil::Place {
  const char* at = nullptr;
  const char* payload = nullptr;
  const char* behind = nullptr;
};

// Each of these passes the value of a hinge. REQUIRES: its first byte is there.

// That of a text field: text, whose high bits are added to `beyond_ascii`, or nil.
[[gnu::always_inline]] inline Stencil::Place Stencil::pass_text(const char* at, const char* end, Vector& beyond_ascii) {
  const unsigned tag = static_cast<unsigned char>(*at);
  // One branch for both, since which of them it is differs from message to message.
  static_assert(value::nil_tag == 0xa0 + 32);
  if (tag - 0xa0 <= 32) {
    const char* const behind = at + 1 + (tag & 31);  // of nil: 0
    if (behind > end) return {};
    beyond_ascii |= high_bits<true>(at + 1, behind);
    return {at, at + 1, behind};
  }
  const char* payload = at + 2;
  const char* behind = nullptr;
  if (tag == value::text_1_tag && end - at >= 2) [[likely]] {
    behind = payload + static_cast<unsigned char>(at[1]);
    if (behind > end) return {};
  } else {
    const Head head = value::read_head(at, end);
    if (head.type != Type::text) return {};
    payload = head.payload;
    behind = payload + head.count;
  }
  beyond_ascii |= high_bits<false>(payload, behind);
  return {at, payload, behind};
}

// The less common ones. A text that may end within the first 16 bytes of the message: whether it is UTF-8 is told at
// once. A map field: a map, not too deep, or nil.
[[gnu::noinline]] Stencil::Place Stencil::pass_other(const char* at, const char* end, Hinge hinge) {
  const Head head = value::read_head(at, end);
  if (hinge == Hinge::early_text) {
    if ((head.type != Type::text && head.type != Type::nil) || !is_utf8({head.payload, head.count})) return {};
    return {at, head.payload, head.payload + head.count};
  }
  if (head.type != Type::map && head.type != Type::nil) return {};
  const value::End value_end = value::skip_present(at, end, level_of_fields);
  return {at, head.payload, value_end.too_deep ? nullptr : value_end.behind};
}

// Any value that is not too deep; where it goes on is not told.
[[gnu::noinline]] Stencil::Place Stencil::pass_unread(const char* at, const char* end) {
  const value::End value_end = value::skip_present(at, end, level_of_fields);
  return {at, at, value_end.too_deep ? nullptr : value_end.behind};
}

bool Stencil::fits(Bytes bytes, MessageView& view) const {
  const char* const data = bytes.data();
  const char* const end = data + std::min<size_t>(bytes.size(), std::numeric_limits<uint32_t>::max());
  const auto offset = [data](const char* place) { return static_cast<uint32_t>(place - data); };
  Origins origins;
  Offsets* origin = origins.data();
  const char* at = data;
  size_t comparison = 0;
  Vector differs{};
  Vector beyond_ascii{};
  unsigned nil = 0;
  for (const Piece* piece = pieces_.data();; ++piece, origin += 2) {
    if (end - at < static_cast<ptrdiff_t>(piece->needs_bytes)) return false;
    const uint32_t moved = offset(at) - piece->offset;
    origin[0] = Offsets{moved, moved, moved, moved};
    differs |= differences(at, *piece, comparison);
    if (piece == pieces_.data() && any(differs)) return false;  // most that do not fit are found here
    comparison += piece->last_comparison + size_t{1};
    at += piece->bytes;
    if (piece->hinge == Hinge::none) break;
    if (piece->hinge == Hinge::unread) {
      at = pass_unread(at, end).behind;
      if (at == nullptr) return false;
      continue;
    }
    const Place place =
        piece->hinge == Hinge::text ? pass_text(at, end, beyond_ascii) : pass_other(at, end, piece->hinge);
    if (place.behind == nullptr) return false;
    nil |= piece->field & -static_cast<unsigned>(static_cast<unsigned char>(*at) == value::nil_tag);
    origin[1] = reinterpret_cast<Offsets>(
        Vector{offset(place.at) | uint64_t{offset(place.payload)} << 32, offset(place.behind)});
    at = place.behind;
  }
  if (any(differs) || (nil & never_nil_) != 0) return false;

  view.data_ = data;
  view.size_ = offset(at);
  view.present_ = static_cast<uint16_t>(present_ & ~nil);
  write(origins, view);
  if (routing_metadata_is_hinge_ && !find_endpoint_name(view)) return false;
  if (any(beyond_ascii)) {
    for (uint32_t texts = text_hinges_; texts != 0; texts &= texts - 1)
      if (!is_utf8(view.text(static_cast<Field>(std::countr_zero(texts))))) return false;
  }
  return !judges_values_ || view.judge_values().empty();
}

[[gnu::always_inline]] inline void Stencil::write(const Origins& origins, MessageView& view) const {
  view.kind_ = kind_;
  view.fault_ = {};
  // A field is 12 bytes and is written as 16: the next one overwrites what was too much.
  constexpr size_t field_bytes = sizeof(MessageView::Value);
  static_assert(field_bytes == 12);
  if (hinge_count_ == 0) {
    view.fields_ = steady_fields_;
  } else {
    char* const fields = reinterpret_cast<char*>(view.fields_.data());
    for (size_t i = 0; i < field_count; ++i) {
      const Offsets field = fields_[i].offsets + origins[fields_[i].origin];
      std::memcpy(fields + i * field_bytes, &field, i + 1 < field_count ? sizeof field : field_bytes);
    }
  }
  view.endpoint_name_ = {};
  if (has_endpoint_name_) {
    const Offsets name = endpoint_name_.offsets + origins[endpoint_name_.origin];
    view.endpoint_name_ = {view.data_ + name[0], name[2] - name[0]};
  }
}

// False: it is not as it should be.
bool Stencil::find_endpoint_name(MessageView& view) {
  if (!view.has(Field::routing_metadata)) return true;
  const Bytes map = view.value(Field::routing_metadata);
  const MessageView::RoutingMetadata found = MessageView::pass_routing_metadata(map.data(), map.data() + map.size());
  view.endpoint_name_ = found.endpoint_name;
  return !found.twice && !found.wrong_type && is_utf8(found.endpoint_name);
}

bool Stencil::begins(Bytes bytes) const {
  return bytes.size() >= vector_bytes && pieces_[0].bytes != 0 && !any(differences(bytes.data(), 0));
}

// --- making one ------------------------------------------------------------------------------------------------------

// Null: it does not differ, or ends too early, or a hinge does not fit.
const char* Stencil::first_difference(Bytes message) const {
  const char* const end = message.data() + message.size();
  const char* at = message.data();
  size_t comparison = 0;
  for (const Piece* piece = pieces_.data(); at != nullptr; ++piece) {
    for (size_t c = 0; c <= piece->last_comparison; ++c, ++comparison) {
      const char* const from = c < piece->last_comparison ? at + c * vector_bytes : at + piece->last_at;
      if (from < message.data() || from + vector_bytes > end) return nullptr;
      std::array<char, vector_bytes> differs;
      const Vector all = differences(from, comparison);
      std::memcpy(differs.data(), &all, sizeof all);
      for (size_t i = 0; i < differs.size(); ++i)
        if (differs[i] != 0) return from + i;
    }
    at += piece->bytes;
    if (piece->hinge == Hinge::none) return nullptr;
    at = value::skip(at, end);
  }
  return nullptr;
}

Stencil::Hinges Stencil::hinges_for(Bytes message) const {
  const char* const differs = pieces_[0].bytes == 0 ? nullptr : first_difference(message);
  if (differs == nullptr) return 0;
  const char* const end = message.data() + message.size();
  const Head map = value::read_head(message.data(), end);
  const char* at = map.payload;
  for (uint32_t entry = 0; entry < std::min<size_t>(map.count, entries_max); ++entry) {
    const char* const value = value::skip(at, end);
    if (differs < value) return 0;
    at = value::skip(value, end);
    if (differs < at) return hinges_ | uint64_t{1} << entry;
  }
  return 0;
}

// Walks a message and cuts it into pieces.
class Stencil::Making {
 public:
  Making(Stencil& stencil, const MessageView& view)
      : stencil_(stencil), view_(view), data_(view.bytes().data()), end_(data_ + view.bytes().size()), piece_(data_) {
    mask_.fill('\xff');
  }

  // False: the message can have no stencil.
  bool run(Hinges hinges) {
    const Head map = value::read_head(data_, end_);
    if (map.count > entries_max) return false;
    const char* at = map.payload;
    for (uint32_t entry = 0; entry < map.count; ++entry) {
      std::optional<Field> field = field_of(value::read_head(at, end_));
      if (field && view_.value(*field).empty()) field.reset();  // not one of this kind of message
      const char* const value = value::skip(at, end_);
      at = value::skip(value, end_);
      const bool is_hinge = (hinges >> entry & 1) != 0 || needs_hinge(field, {value, at});
      if (!(is_hinge ? add_hinge(field, value, at, entry) : add_steady(field, value))) return false;
    }
    return end_piece(end_);
  }

 private:
  static bool needs_hinge(std::optional<Field> field, Bytes encoded) {
    if (encoded.size() > steady_value_bytes_max) return true;
    const Head head = value::read_head(encoded.data(), encoded.data() + encoded.size());
    return field && head.type == Type::text && !is_ascii({head.payload, head.count});
  }

  FoundField& found(Field field) { return stencil_.fields_[static_cast<size_t>(field)]; }

  bool add_hinge(std::optional<Field> field, const char* at, const char* behind, uint32_t entry) {
    const size_t h = stencil_.hinge_count_;
    if (h == hinges_max || field == Field::message_type || !end_piece(at)) return false;
    stencil_.hinge_count_ = h + 1;
    stencil_.hinges_ |= uint64_t{1} << entry;
    piece_ = behind;
    Piece& piece = stencil_.pieces_[h];
    piece.needs_bytes = std::max(piece.needs_bytes, piece.bytes + 1U);
    ++reached_bytes_;
    piece.hinge = Hinge::unread;
    if (!field) return true;
    const bool is_map = field == Field::routing_metadata || field == Field::helper_metadata;
    piece.hinge = is_map ? Hinge::map : reached_bytes_ < vector_bytes ? Hinge::early_text : Hinge::text;
    piece.field = bit(*field);
    found(*field).origin = 2 * h + 1;
    stencil_.present_ |= bit(*field);
    if (!is_map) stencil_.text_hinges_ |= bit(*field);
    if ((bit(*field) & never_nil) != 0) stencil_.never_nil_ |= bit(*field);
    if ((bit(*field) & judged_by_value) != 0) stencil_.judges_values_ = true;
    if (field == Field::routing_metadata) stencil_.routing_metadata_is_hinge_ = true;
    return true;
  }

  bool add_steady(std::optional<Field> field, const char* at) {
    const Head head = value::read_head(at, end_);
    const size_t from = static_cast<size_t>(head.payload - piece_);
    const bool is_exact = head.type >= Type::array || field == Field::message_type || field == Field::event_type;
    if (!is_exact) {
      if (from + head.count > mask_.size()) return false;
      std::memset(mask_.data() + from, field ? 0x80 : 0, head.count);
    }
    if (!field) return true;
    const size_t origin = 2 * stencil_.hinge_count_;
    const MessageView::Value& value = view_.fields_[static_cast<size_t>(*field)];
    stencil_.steady_fields_[static_cast<size_t>(*field)] = value;
    found(*field) = {Offsets{value.offset, value.text_offset, value.end, 0}, origin};
    if (view_.has(*field)) stencil_.present_ |= bit(*field);
    const std::string_view name = view_.endpoint_name_;
    if (field == Field::routing_metadata && name.data() != nullptr) {
      const auto offset = static_cast<uint32_t>(name.data() - data_);
      stencil_.has_endpoint_name_ = true;
      stencil_.endpoint_name_ = {Offsets{offset, offset, static_cast<uint32_t>(offset + name.size()), 0}, origin};
    }
    return true;
  }

  // What lies from piece_ to `behind` is one.
  bool end_piece(const char* behind) {
    const auto bytes = static_cast<size_t>(behind - piece_);
    const size_t comparisons = std::max<size_t>(1, (bytes + vector_bytes - 1) / vector_bytes);
    if (comparisons_ + comparisons > comparisons_max) return false;
    reached_bytes_ += bytes;
    // A piece shorter than a vector is compared with the bytes before it, or where there may be too few, behind it.
    const bool is_short = bytes < vector_bytes;
    const size_t front = is_short && reached_bytes_ >= vector_bytes ? vector_bytes - bytes : 0;
    const size_t last_at = is_short ? 0 : bytes - vector_bytes;
    stencil_.pieces_[stencil_.hinge_count_] = {
        .offset = static_cast<uint32_t>(piece_ - data_),
        .needs_bytes = static_cast<uint32_t>(is_short && front == 0 ? vector_bytes : bytes),
        .bytes = static_cast<uint16_t>(bytes),
        .last_at = static_cast<int16_t>(static_cast<int>(last_at) - static_cast<int>(front)),
        .last_comparison = static_cast<uint8_t>(comparisons - 1)};
    for (size_t c = 0; c < comparisons; ++c) {
      const size_t from = c + 1 == comparisons ? last_at : c * vector_bytes;
      std::array<char, vector_bytes> right{};
      std::array<char, vector_bytes> mask{};
      std::memcpy(right.data() + front, piece_ + from, std::min(bytes, vector_bytes));
      std::memcpy(mask.data() + front, mask_.data() + from, std::min(bytes, vector_bytes));
      stencil_.comparisons_.right[comparisons_] = load(right.data()) & load(mask.data());
      stencil_.comparisons_.masks[comparisons_++] = load(mask.data());
    }
    mask_.fill('\xff');
    return true;
  }

  Stencil& stencil_;
  const MessageView& view_;
  const char* const data_;
  const char* const end_;
  const char* piece_;         // where the one at hand begins
  size_t reached_bytes_ = 0;  // of any message that fits, so far, at least
  size_t comparisons_ = 0;
  std::array<char, comparisons_max * vector_bytes> mask_;  // of the piece at hand
};

bool Stencil::make(const MessageView& view, Hinges hinges) {
  *this = {};
  kind_ = view.kind();
  if (Making(*this, view).run(hinges)) return true;
  *this = {};
  return false;
}

}  // namespace signalbox
