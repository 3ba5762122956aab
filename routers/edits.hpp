// Changes to one message, in order, and what their values are made of. Reused from message to message; allocates
// nothing once warm.
//
// Thread: one. Owns: what text() and keep() return; not the other values.
// Bounds: none of its own; whoever fills it is the operator's configuration, not a peer.
// Tested by decision_test.cpp.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/codes.hpp"
#include "protocol/message_view.hpp"
#include "protocol/rewrite.hpp"

namespace signalbox {

class Edits {
 public:
  // Values must live until the edits are carried out: constants of whoever says so, the message's own bytes, or what
  // text() and keep() return. A change that the message's own shape does not allow (see rewrite()) is left out.
  void set(Field field, Bytes encoded_value) {
    edits_.push_back({.operation = Edit::Operation::set, .path = {to_string(field)}, .value = encoded_value});
  }
  void edit(const Edit& edit) { edits_.push_back(edit); }

  // `value` encoded as a MessagePack str, or any bytes, kept until clear().
  Bytes text(std::string_view value);
  Bytes keep(std::string value);

  void clear() {
    edits_.clear();
    kept_used_ = 0;
  }
  bool empty() const { return edits_.empty(); }
  const std::vector<Edit>& all() const { return edits_; }

 private:
  std::vector<Edit> edits_;
  std::deque<std::string> kept_;  // stable addresses; the first kept_used_ are in use
  size_t kept_used_ = 0;
};

}  // namespace signalbox
