#include "protocol/message_scanner.hpp"

#include <algorithm>

namespace signalbox {

Scan MessageScanner::scan_otherwise(Bytes bytes, MessageView& view) {
  if (pause_messages_ > 0) {
    if (--pause_messages_ == 0) savings_ = savings_after_pause;
    return view.scan(bytes);
  }
  pay(price_of_trying);
  for (size_t i = 0; i < stencils_max; ++i) {
    if (i == usual_ || !stencils_[i].begins(bytes)) continue;
    if (stencils_[i].fits(bytes, view)) {
      earn();
      // A single one of another sort among many leaves the usual one in its place.
      if (other_ == i) usual_ = i;
      other_ = i;
      return Scan::ok;
    }
    pay(price_of_trying);
  }
  const Scan scan = view.scan(bytes);
  if (scan == Scan::ok && savings_ >= price_of_making) learn(view);
  return scan;
}

// Makes a stencil that fits this message: one that there is gets a hinge more, or the oldest makes room, unless it is
// the usual one.
void MessageScanner::learn(const MessageView& view) {
  pay(price_of_making);
  for (size_t i = 0; i < stencils_max; ++i) {
    const Stencil::Hinges hinges = stencils_[i].hinges_for(view.bytes());
    if (hinges == 0) continue;
    if (stencils_[i].make(view, hinges)) usual_ = i;
    return;
  }
  if (oldest_ == usual_) oldest_ = (oldest_ + 1) % stencils_max;
  if (stencils_[oldest_].make(view, 0)) usual_ = oldest_;
  oldest_ = (oldest_ + 1) % stencils_max;
}

void MessageScanner::pay(int32_t price) {
  if (savings_ >= savings_max) next_pause_messages_ = pause_messages_min;  // it goes well again
  savings_ = std::max(savings_ - price, 0);
  if (savings_ > 0 || pause_messages_ > 0) return;
  pause_messages_ = next_pause_messages_;
  next_pause_messages_ = std::min(2 * next_pause_messages_, pause_messages_max);
}

}  // namespace signalbox
