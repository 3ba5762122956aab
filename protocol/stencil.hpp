// What the messages of one sort have in common: a program writes the same keys in the same order, and only values
// differ.
//
// A stencil is made from a message that the message view has found good, and laid over the next one: the bytes that
// must be the same are compared 16 at a time, those that may differ are masked out. A value whose length differs from
// message to message is a hinge: what lies behind it may lie at any place. If all fits, then that message is good too,
// and its fields lie where the stencil says; nobody has looked for its keys.
//
// The message view's pass stays the one definition of what is right. A stencil says what the pass would have said of a
// good message, to the letter, or nothing.
//
// Thread: any, one at a time. Owns: its copy of the common bytes; points into no message.
// Bounds: comparisons_max, hinges_max, entries_max; a message beyond them has no stencil.
// Tested by message_scanner_test.cpp, fuzz_body.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "protocol/codes.hpp"
#include "protocol/message_view.hpp"

namespace signalbox {

class Stencil {
 public:
  static constexpr size_t comparisons_max = 64;  // of 16 bytes each
  static constexpr size_t hinges_max = 12;
  static constexpr size_t entries_max = 64;

  // Bit i: the value of the message's entry i is a hinge.
  using Hinges = uint64_t;

  // Makes it anew from the message in `view`, with these hinges and those that it needs. False: that message can have
  // no stencil, and this one fits nothing now. REQUIRES: the view's last scan was ok, and its bytes are still there.
  [[nodiscard]] bool make(const MessageView& view, Hinges hinges);

  // Lays it over the message at the start of `bytes`. True: it fits, and `view` is as after a scan that was ok. False:
  // nothing is known of the message, and the view says nothing until its next scan.
  [[nodiscard]] bool fits(Bytes bytes, MessageView& view) const;

  // Whether the first 16 bytes are as they should be.
  [[nodiscard]] bool begins(Bytes bytes) const;

  // The hinges with which it would fit as far as it fits now, and at the first value where it does not. None: `message`
  // differs in more than a value, and is of another sort. REQUIRES: one whole message.
  [[nodiscard]] Hinges hinges_for(Bytes message) const;

 private:
  static constexpr size_t vector_bytes = 16;
  using Vector [[gnu::vector_size(vector_bytes)]] = uint64_t;
  using Offsets [[gnu::vector_size(vector_bytes)]] = uint32_t;  // a field's: offset, text_offset, end, none

  // The nth comparison: 16 bytes of a message are right if they are right[n] where masks[n] has ones. Those that follow
  // on each other in a message do so here, and may be done several at once.
  struct Comparisons {
    std::array<Vector, comparisons_max> right;
    std::array<Vector, comparisons_max> masks;
  };
  // What ends a piece: a value that is passed by its own bytes, or the end of the message.
  enum class Hinge : uint8_t { none, text, early_text, map, unread };
  // What lies between two hinges, with the key of the second and without its value.
  struct Piece {
    uint32_t offset = 0;       // in the message that the stencil was made from
    uint32_t needs_bytes = 0;  // to compare it and read the first byte of the hinge
    uint16_t bytes = 0;
    int16_t last_at = 0;          // where in the piece, or before it, the last comparison begins; the others follow on
                                  // each other from the piece's beginning
    uint8_t last_comparison = 0;  // its number; the first is 0
    Hinge hinge = Hinge::none;
    uint16_t field = 0;  // bit i: the hinge is field i
  };
  static_assert(comparisons_max * vector_bytes <= INT16_MAX);
  struct Place;
  class Making;

  // What the offsets of a field count from. 2p: from where piece p has moved to. 2p + 1: they are those of the hinge
  // that ends it.
  static constexpr size_t origins_max = 2 * hinges_max + 1;
  using Origins = std::array<Offsets, origins_max>;
  struct FoundField {
    Offsets offsets{};
    size_t origin = 0;
  };

  static Vector load(const char* at);
  static bool any(Vector vector);
  Vector differences(const char* at, size_t comparison) const;
  template <typename Wide>
  Vector block_differences(const char* at, size_t first, size_t blocks) const;
  Vector avx2_block_differences(const char* at, size_t first, size_t blocks) const;
  Vector differences_of_blocks(const char* at, size_t first, size_t blocks) const;
  Vector differences(const char* at, const Piece& piece, size_t first) const;
  template <bool up_to_32>
  static Vector high_bits(const char* text, const char* behind);
  static Place pass_text(const char* at, const char* end, Vector& beyond_ascii);
  static Place pass_other(const char* at, const char* end, Hinge hinge);
  static Place pass_unread(const char* at, const char* end);
  static bool find_endpoint_name(MessageView& view);
  void write(const Origins& origins, MessageView& view) const;
  const char* first_difference(Bytes message) const;

  size_t hinge_count_ = 0;
  Hinges hinges_ = 0;
  MessageKind kind_ = MessageKind::user_message;
  uint16_t present_ = 0;  // as if no hinge were nil
  uint16_t never_nil_ = 0;
  uint16_t text_hinges_ = 0;
  bool judges_values_ = false;  // a hinge is among the fields whose values are judged
  bool routing_metadata_is_hinge_ = false;
  bool has_endpoint_name_ = false;
  FoundField endpoint_name_;  // not its head: offset and text_offset are the same
  std::array<FoundField, field_count> fields_;
  std::array<MessageView::Value, field_count>
      steady_fields_;  // the same where there are no hinges: as the view has them
  std::array<Piece, hinges_max + 1> pieces_ = {Piece{.needs_bytes = UINT32_MAX}};  // fits nothing
  Comparisons comparisons_;
};

}  // namespace signalbox
