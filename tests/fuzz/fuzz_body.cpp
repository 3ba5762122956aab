// A batch is walked as the broker walks it. At each step the oracle tells where the message ends, whether it is one,
// and what its fields are; here it is seen to that neither what lies behind a message nor an earlier scan plays into
// it.
#include "protocol/message_view.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/protocol/oracle.hpp"

namespace signalbox::fuzz {
namespace {

void same(const MessageView& left, const MessageView& right, Bytes message) {
  require(left.fault() == right.fault(), "another fault with other bytes behind the message", message);
  require(left.bytes() == right.bytes(), "another end with other bytes behind the message", message);
  if (!left.fault().empty()) return;
  require(left.kind() == right.kind(), "another kind with other bytes behind the message", message);
  require(left.endpoint_name() == right.endpoint_name(), "another endpoint_name with other bytes behind", message);
  for (size_t i = 0; i < field_count; ++i) {
    const auto field = static_cast<Field>(i);
    require(left.has(field) == right.has(field), "a field comes or goes with other bytes behind", message);
    require(left.value(field) == right.value(field), "another value with other bytes behind the message", message);
    if (field == Field::routing_metadata || field == Field::helper_metadata) continue;
    require(left.text(field) == right.text(field), "another text with other bytes behind the message", message);
  }
}

void alone(const MessageView& walking, Bytes message) {
  const Exact whole(message);
  MessageView view;
  require(view.scan(whole.bytes()) != Scan::broken, "broken when alone", message);
  same(walking, view, message);
  const Exact cut(message.substr(0, message.size() - 1));
  require(view.scan(cut.bytes()) == Scan::broken, "whole without its last byte", message);
  require(!map_bytes(cut.bytes()), "a map without its last byte", message);
}

}  // namespace

void body(Bytes input) {
  MessageView view;
  Bytes rest = input;
  do {
    const std::string difference = oracle::scan_difference(rest);
    if (!difference.empty()) fail("the oracle differs: " + difference, rest);
    if (view.scan(rest) == Scan::broken) return;
    alone(view, view.bytes());
    rest.remove_prefix(view.bytes().size());
  } while (!rest.empty());
}

}  // namespace signalbox::fuzz
