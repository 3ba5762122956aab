// A batch is walked as the broker walks it. At each step the oracle tells where the message ends, whether it is one,
// and what its fields are; here it is seen to that neither what lies behind a message nor an earlier scan plays into
// it. Then the scanner goes over the batch twice, and each message's stencil is laid over the others: what they say
// must be what the plain scan says.
#include <vector>

#include "protocol/message_scanner.hpp"
#include "protocol/message_view.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/protocol/oracle.hpp"
#include "tests/protocol/same_view.hpp"

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

constexpr size_t compared_max = 8;  // messages, each with each

void require_same(const MessageView& view, const MessageView& plain, Scan scan, Bytes message) {
  const std::string difference = view_difference(view, plain, scan);
  if (!difference.empty()) fail("not as the plain scan says: " + difference, message);
}

// The scanner, which has seen the messages before it.
void by_scanner(MessageScanner& scanner, Bytes input) {
  MessageView plain;
  MessageView view;
  for (Bytes rest = input; !rest.empty(); rest.remove_prefix(plain.bytes().size())) {
    const Scan scan = plain.scan(rest);
    require(scanner.scan(rest, view) == scan, "another outcome than of the plain scan", rest);
    require_same(view, plain, scan, rest);
    if (scan == Scan::broken) return;
  }
}

// The stencil of `first`, with the hinges that it lacks for `second` one by one, over `second`.
void by_stencil(Bytes first, Bytes second) {
  const Exact whole(first);
  const Exact other(second);
  MessageView plain;
  MessageView view;
  Stencil stencil;
  if (plain.scan(whole.bytes()) != Scan::ok) return;
  Stencil::Hinges hinges = 0;
  do {
    if (!stencil.make(plain, hinges)) return;
    require(stencil.fits(whole.bytes(), view), "its stencil does not fit it", first);
    require_same(view, plain, Scan::ok, first);
    if (stencil.fits(other.bytes(), view)) {
      MessageView expected;
      require(expected.scan(other.bytes()) == Scan::ok, "fits a stencil, and is no good message", second);
      require_same(view, expected, Scan::ok, second);
      return;
    }
    const Stencil::Hinges more = stencil.hinges_for(other.bytes());
    require(more == 0 || (more & ~hinges) != 0, "the hinge is there, and does not help", second);
    hinges = more;
  } while (hinges != 0);
}

void by_stencils(const std::vector<Bytes>& messages) {
  for (const Bytes first : messages)
    for (const Bytes second : messages) by_stencil(first, second);
}

}  // namespace

void body(Bytes input) {
  MessageScanner scanner;
  by_scanner(scanner, input);
  by_scanner(scanner, input);

  std::vector<Bytes> messages;
  MessageView view;
  Bytes rest = input;
  do {
    const std::string difference = oracle::scan_difference(rest);
    if (!difference.empty()) fail("the oracle differs: " + difference, rest);
    if (view.scan(rest) == Scan::broken) break;
    alone(view, view.bytes());
    if (messages.size() < compared_max) messages.push_back(view.bytes());
    rest.remove_prefix(view.bytes().size());
  } while (!rest.empty());
  by_stencils(messages);
}

}  // namespace signalbox::fuzz
