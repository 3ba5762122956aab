// The messages of a delivery, one by one, as a client reads them that passes bytes on and looks into none.
//
// It finds where each ends with the scanner that the broker has as well: messages of one sort are not walked.
//
// Thread: one. Owns: the scanner's stencils. Errors: throws std::runtime_error.
#pragma once

#include <stdexcept>

#include "protocol/message_scanner.hpp"
#include "protocol/message_view.hpp"

namespace signalbox::bench {

class DeliveredMessages {
 public:
  // Calls `take` with each message of `body`, in order.
  template <typename Take>
  void each(Bytes body, Take take) {
    while (!body.empty()) {
      if (scanner_.scan(body, view_) != Scan::ok)
        throw std::runtime_error("a delivery holds something else than messages");
      take(view_.bytes());
      body.remove_prefix(view_.bytes().size());
    }
  }

 private:
  MessageScanner scanner_;
  MessageView view_;
};

}  // namespace signalbox::bench
