// No message, however odd, stops a piece of middleware or is made something else than a message by one.
#include <gtest/gtest.h>

#include "tests/protocol/random_message.hpp"
#include "tests/routers/middleware_harness.hpp"

namespace signalbox::testing {
namespace {

constexpr std::string_view all_six =
    "middleware = [{log = 'LoggingMiddleware'}, {translate = 'AddressTranslationMiddleware'},\n"
    "  {tag = 'TaggingMiddleware'}, {static = 'StaticProviderSettingMiddleware'},\n"
    "  {prefix = 'AddressPrefixProviderSettingMiddleware'}, {length = 'SessionLengthMiddleware'},\n"
    "  {length_by_tag = 'SessionLengthMiddleware'}]";

constexpr std::string_view options = R"(
[translate.outbound_map]
a = "b"
[tag.incoming]
addr_pattern = '(?s)(\C?)(.*)'
tagpool_template = '\1'
tagname_template = '\2'
[tag.outgoing]
tagname_pattern = '(?s)(\C?)(.*)'
[tag.outgoing.msg_template]
to_addr = '\2'
content = '\1'
routing_metadata = {endpoint_name = '\2', more = {deep = '\1'}}
helper_metadata = {tag = {note = '\2'}, load_balancer = [1, 2, {a = 3}]}
session_event = 'new'
[static]
provider = "p"
[prefix]
provider_prefixes = {"" = "any", "+" = "plus"}
normalize_msisdn = {country_code = "27"}
[length]
field_name = "tag"
[length_by_tag]
namespace_type = "tag"
)";

std::string message_with(const Json& fields) {
  const auto packed = Json::to_msgpack(whole_message(Direction::inbound, fields));
  return {packed.begin(), packed.end()};
}

void pass_all_ways(MiddlewareHarness& harness, const std::string& bytes, bool is_event) {
  for (const Pass pass : {Pass::entering, Pass::leaving}) {
    if (is_event) {
      harness.pass_bytes(pass, Direction::event, "sms", bytes);
    } else {
      harness.pass_bytes(pass, Direction::inbound, "sms", bytes);
      harness.pass_bytes(pass, Direction::outbound, "app", bytes);
    }
  }
}

TEST(OddMessages, StayMessages) {
  MiddlewareHarness harness(all_six, options);
  oracle::RandomMessages random(4);
  int passed = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string bytes = random.message();
    MessageView view;
    if (view.scan(bytes) != Scan::ok) continue;
    ++passed;
    pass_all_ways(harness, bytes, view.kind() == MessageKind::event);
    if (HasFailure()) FAIL() << "message " << i;
  }
  EXPECT_GT(passed, 400);
}

TEST(OddMessages, OfEveryShapeOfMetadata) {
  MiddlewareHarness harness(all_six, options);
  const std::vector<Json> values = {nullptr,
                                    true,
                                    1,
                                    -0.5,
                                    "",
                                    "text",
                                    "\xc3\xa9",
                                    Json::array(),
                                    Json::object(),
                                    {"a", "b"},
                                    {"a", "\xc3\xa9"},
                                    {1, nullptr},
                                    {{"tag", "x"}},
                                    {{"tag", {"p", "n"}}}};
  for (const Json& value : values) {
    pass_all_ways(harness, message_with({{"to_addr", "+41"}, {"helper_metadata", {{"tag", value}}}}), false);
    pass_all_ways(harness, message_with({{"from_addr", "+41"}, {"helper_metadata", {{"tag", {{"tag", value}}}}}}),
                  false);
    pass_all_ways(harness, message_with({{"to_addr", "é"}, {"provider", value}, {"session_event", value}}), false);
  }
}

// A pattern that splits characters makes texts that are none; such a tag is left out, and so is such a merge.
TEST(OddMessages, PatternsThatSplitCharacters) {
  MiddlewareHarness harness("middleware = [{tag = 'TaggingMiddleware'}]",
                            options.substr(0, options.find("[static]")).substr(options.find("[tag.incoming]")));
  const Json inbound = whole_message(Direction::inbound, {{"to_addr", "\xc3\xa9"}});
  EXPECT_EQ(harness.pass(Pass::entering, Direction::inbound, "sms", inbound), inbound);
  const Json outbound =
      whole_message(Direction::outbound, {{"helper_metadata", {{"tag", {{"tag", {"p", "\xc3\xa9"}}}}}}});
  EXPECT_EQ(harness.pass(Pass::leaving, Direction::outbound, "sms", outbound), outbound);
}

// A session of which the bound has lost the start is as one that never began, and the store says that it was lost.
TEST(OddMessages, MoreSessionsThanThereIsRoomFor) {
  MiddlewareHarness harness("middleware = [{mw = 'SessionLengthMiddleware'}]", "broker.max_users = 2");
  const auto message = [](const std::string& user, const std::string& session_event) {
    return whole_message(Direction::inbound,
                         {{"transport_name", "sms"}, {"from_addr", user}, {"session_event", session_event}});
  };
  for (const char* user : {"a", "b", "c"}) {
    const Json begun = harness.pass(Pass::entering, Direction::inbound, "sms", message(user, "new"));
    EXPECT_TRUE(begun.contains("helper_metadata"));
  }
  EXPECT_EQ(harness.settings().state->evicted(), 1u);
  EXPECT_FALSE(
      harness.pass(Pass::entering, Direction::inbound, "sms", message("a", "resume")).contains("helper_metadata"));
  EXPECT_TRUE(
      harness.pass(Pass::entering, Direction::inbound, "sms", message("c", "resume")).contains("helper_metadata"));
}

}  // namespace
}  // namespace signalbox::testing
