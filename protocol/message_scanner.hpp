// Scans messages one behind another, and is quicker at those that look like earlier ones.
//
// It keeps stencils of the sorts of message that have come lately. A message that fits one is not walked; any other
// goes the plain way, MessageView::scan, and a stencil may be made of it. What comes out is the same for every message,
// whatever came before. Traffic that fits nothing costs little more than plain scans: making and trying are paid for
// out of what fitting has saved, and where that is used up, nothing is tried for a while.
//
// Thread: one. Owns: its stencils, of which each holds bytes of a message that has come. Bounds: stencils_max, no heap.
// Tested by message_scanner_test.cpp, fuzz_body.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "protocol/codes.hpp"
#include "protocol/message_view.hpp"
#include "protocol/stencil.hpp"

namespace signalbox {

class MessageScanner {
 public:
  static constexpr size_t stencils_max = 8;

  // As view.scan(bytes).
  [[nodiscard]] Scan scan(Bytes bytes, MessageView& view) {
    if (pause_messages_ == 0 && stencils_[usual_].fits(bytes, view)) [[likely]] {
      earn();
      other_ = stencils_max;
      return Scan::ok;
    }
    return scan_otherwise(bytes, view);
  }

  // So many messages go the plain way before it tries again; for the tests.
  uint32_t pause_messages() const { return pause_messages_; }

 private:
  // In units of some 15 ns.
  static constexpr int32_t saved_by_fitting = 2;
  static constexpr int32_t price_of_trying = 1;
  static constexpr int32_t price_of_making = 48;
  static constexpr int32_t savings_max = 1024;
  static constexpr int32_t savings_at_first = 512;
  static constexpr int32_t savings_after_pause = 128;
  static constexpr uint32_t pause_messages_min = 64;
  static constexpr uint32_t pause_messages_max = 4096;

  void earn() { savings_ += savings_ < savings_max ? saved_by_fitting : 0; }
  Scan scan_otherwise(Bytes bytes, MessageView& view);
  void learn(const MessageView& view);
  void pay(int32_t price);

  size_t usual_ = 0;             // the one that is tried first
  size_t other_ = stencils_max;  // the one that fitted last, where that was not the usual one
  size_t oldest_ = 0;            // the one whose place the next new one takes
  int32_t savings_ = savings_at_first;
  uint32_t pause_messages_ = 0;                        // so many go the plain way
  uint32_t next_pause_messages_ = pause_messages_min;  // doubled each time
  std::array<Stencil, stencils_max> stencils_;
};

}  // namespace signalbox
