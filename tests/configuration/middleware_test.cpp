// The list of middleware, the pieces' options, and the two orders in which they run.
#include <gtest/gtest.h>

#include <algorithm>

#include "broker/configuration_middleware.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

using Places = std::vector<size_t>;

// `list` in line 5, `options` from line 6 on.
Lines faults_with(const std::string& list, const std::string& options = "") {
  return faults_of(sound + "middleware = " + list + "\n" + options);
}

Lines names_in(const DispatcherSettings& dispatcher, const Places& order) {
  Lines names;
  for (const size_t place : order) names.push_back(dispatcher.middleware[place].name);
  return names;
}

// --- the orders ------------------------------------------------------------------------------------------------------

// Vumi's own way, letter by letter: a list, reversed for leaving, from which the lowest is taken again and again.
Places naive_order(std::vector<int64_t> priorities, bool entering) {
  std::vector<std::pair<int64_t, size_t>> waiting;
  for (size_t i = 0; i < priorities.size(); ++i) waiting.emplace_back(priorities[i], i);
  if (!entering) std::reverse(waiting.begin(), waiting.end());
  Places order;
  while (!waiting.empty()) {
    auto next = waiting.begin();
    for (auto one = waiting.begin(); one != waiting.end(); ++one) {
      if (one->first < next->first) next = one;
    }
    order.push_back(next->second);
    waiting.erase(next);
  }
  return order;
}

TEST(MiddlewareOrder, IsVumisForAllSmallLists) {
  for (size_t pieces = 0; pieces <= 5; ++pieces) {
    std::vector<int64_t> priorities(pieces, -1);
    for (bool more = true; more;) {
      EXPECT_EQ(entering_order(priorities), naive_order(priorities, true));
      EXPECT_EQ(leaving_order(priorities), naive_order(priorities, false));
      more = false;
      for (int64_t& priority : priorities) {  // the next of all lists of -1 to 2
        if (++priority <= 2) {
          more = true;
          break;
        }
        priority = -1;
      }
    }
  }
}

TEST(MiddlewareOrder, IsThatOfTheFile) {
  const ConfigurationResult result =
      read(sound +
           "middleware = [{z = 'LoggingMiddleware'}, {y = {class = 'LoggingMiddleware', publish_priority = 1}},\n"
           "  {x = {class = 'a.b.LoggingMiddleware', consume_priority = -3}}, {w = {class = 'LoggingMiddleware'}},\n"
           "  {v = {class = 'LoggingMiddleware', consume_priority = 2, publish_priority = -9223372036854775808}}]\n");
  ASSERT_NE(result.configuration, nullptr) << as_lines(result.faults).front();
  const DispatcherSettings& dispatcher = result.configuration->settings.dispatchers[0];
  EXPECT_EQ(names_in(dispatcher, dispatcher.entering), (Lines{"x", "z", "y", "w", "v"}));
  EXPECT_EQ(names_in(dispatcher, dispatcher.leaving), (Lines{"v", "w", "x", "z", "y"}));
}

// --- what is accepted ------------------------------------------------------------------------------------------------

TEST(Middleware, NoneCostsNothing) {
  for (const std::string& list : {std::string(), std::string("middleware = []\n")}) {
    const ConfigurationResult result = read(sound + list);
    ASSERT_NE(result.configuration, nullptr);
    EXPECT_TRUE(result.configuration->settings.dispatchers[0].middleware.empty());
    EXPECT_TRUE(result.configuration->settings.dispatchers[0].entering.empty());
    EXPECT_TRUE(result.configuration->settings.dispatchers[0].leaving.empty());
  }
}

constexpr std::string_view all_six = R"(
[[middleware]]
mw1 = "vumi.middleware.LoggingMiddleware"
[[middleware]]
mw2.class = "vumi.middleware.address_translator.AddressTranslationMiddleware"
[[middleware]]
mw3 = "TaggingMiddleware"
[[middleware]]
mw4 = "StaticProviderSettingMiddleware"
[[middleware]]
mw5 = "AddressPrefixProviderSettingMiddleware"
[[middleware]]
mw6 = "SessionLengthMiddleware"
[mw1]
log_level = "warning"
failure_log_level = "error"
[mw2.outbound_map]
"+1" = "a@b"
[mw3.incoming]
addr_pattern = '^\d+(\d{3})$'
tagpool_template = 'pool'
tagname_template = 'mytag-\1'
[mw3.outgoing]
tagname_pattern = 'mytag-(\d{3})$'
[mw3.outgoing.msg_template]
from_addr = '1234*\1'
[mw4]
provider = "p"
[mw5]
provider_prefixes = {"+27" = "za"}
normalize_msisdn = {country_code = "27", strip_plus = true}
[mw6]
timeout = 300
namespace_type = "tag"
field_name = "call"
redis_manager = {}
)";

TEST(Middleware, AllSixOfVumi) {
  const ConfigurationResult result = read(sound + std::string(all_six));
  EXPECT_EQ(as_lines(result.faults), Lines{});
  EXPECT_EQ(as_lines(result.warnings),
            (Lines{"20:1 failure_log_level means something to vumi alone and is not read here",
                   "40:1 redis_manager means something to vumi alone and is not read here"}));
  ASSERT_NE(result.configuration, nullptr);
  EXPECT_EQ(result.configuration->settings.dispatchers[0].middleware.size(), 6u);
}

TEST(Middleware, WithoutOptionsWhereNoneAreRequired) {
  EXPECT_EQ(faults_with("[{a = 'LoggingMiddleware'}, {b = 'SessionLengthMiddleware'}]"), Lines{});
}

TEST(Middleware, OfSeveralDispatchers) {
  const ConfigurationResult result = read(
      "[[dispatcher]]\n"
      "router_class = 'SimpleDispatchRouter'\ntransport_names = ['a']\nexposed_names = ['x']\n"
      "routing_mappings = {a = 'x'}\nmiddleware = [{mw = 'StaticProviderSettingMiddleware'}]\n"
      "[dispatcher.mw]\nprovider = 'one'\n"
      "[[dispatcher]]\n"
      "router_class = 'SimpleDispatchRouter'\ntransport_names = ['b']\nexposed_names = ['y']\n"
      "routing_mappings = {b = 'y'}\nmiddleware = [{mw = 'LoggingMiddleware'}, {broker = 'LoggingMiddleware'}]\n");
  ASSERT_NE(result.configuration, nullptr) << as_lines(result.faults).front();
  EXPECT_EQ(result.configuration->settings.dispatchers[0].middleware.size(), 1u);
  EXPECT_EQ(result.configuration->settings.dispatchers[1].middleware.size(), 2u);
}

// --- faults of the list ----------------------------------------------------------------------------------------------

TEST(MiddlewareFaults, OfAnItem) {
  const std::string one_key =
      " a piece of middleware is a table with one key, its name: {name = \"Class\"}; this one has ";
  EXPECT_EQ(faults_with("'LoggingMiddleware'"), Lines{"5:14 middleware must be an array, not a string"});
  EXPECT_EQ(faults_with("['LoggingMiddleware']"),
            Lines{"5:15 this must be a table with one key, the name of a piece: {name = \"Class\"}, not a string"});
  EXPECT_EQ(faults_with("[{}]"), Lines{"5:15" + one_key + "none"});
  EXPECT_EQ(faults_with("[{a = 'LoggingMiddleware', b = 'LoggingMiddleware'}]"), Lines{"5:15" + one_key + "2"});
  EXPECT_EQ(faults_with("[{'' = 'LoggingMiddleware'}]"), Lines{"5:16 a name must not be empty"});
  EXPECT_EQ(faults_with("[{a = 3}]"), Lines{"5:20 a must be a class, or a table with the key class, not an integer"});
}

TEST(MiddlewareFaults, OfItsClass) {
  const std::string there_are =
      "; there are LoggingMiddleware, AddressTranslationMiddleware, TaggingMiddleware, "
      "StaticProviderSettingMiddleware, AddressPrefixProviderSettingMiddleware or SessionLengthMiddleware";
  EXPECT_EQ(faults_with("[{a = 'vumi.middleware.LogingMiddleware'}]"),
            Lines{"5:20 there is no middleware \"vumi.middleware.LogingMiddleware\"" + there_are +
                  "; did you mean \"LoggingMiddleware\"?"});
  EXPECT_EQ(faults_with("[{a = ''}]"), Lines{"5:20 there is no middleware \"\"" + there_are});
  EXPECT_EQ(faults_with("[{a = {}}]"), Lines{"5:20 class is missing"});
  EXPECT_EQ(faults_with("[{a = {class = 3}}]"), Lines{"5:29 class must be the name of a class, not an integer"});
  EXPECT_EQ(faults_with("[{a = {class = 'LoggingMiddleware', priority = 1, publish_prioriti = 2}}]"),
            (Lines{"5:50 unknown key \"priority\" in an item of middleware",
                   "5:64 unknown key \"publish_prioriti\" in an item of middleware; did you mean "
                   "\"publish_priority\"?"}));
}

TEST(MiddlewareFaults, OfItsPriorities) {
  for (const char* key : {"consume_priority", "publish_priority"}) {
    const std::string item = std::string("[{a = {class = 'LoggingMiddleware', ") + key + " = ";
    EXPECT_EQ(faults_with(item + "'1'}}]"), Lines{std::string("5:69 ") + key + " must be an integer, not a string"});
    EXPECT_EQ(faults_with(item + "1.0}}]"), Lines{std::string("5:69 ") + key + " must be an integer, not a float"});
    EXPECT_EQ(faults_with(item + "true}}]"), Lines{std::string("5:69 ") + key + " must be an integer, not a boolean"});
  }
}

TEST(MiddlewareFaults, OfItsName) {
  EXPECT_EQ(faults_with("[{a = 'LoggingMiddleware'}, {b = 'LoggingMiddleware'}, {a = 'TaggingMiddleware'}]"),
            Lines{"5:70 \"a\" is listed twice"});
  const std::string own = " is a key of the dispatcher: a piece of middleware needs a name of its own";
  EXPECT_EQ(faults_with("[{relays = 'LoggingMiddleware'}, {routing_mappings = 'LoggingMiddleware'},\n"
                        "{transport_mappings = 'LoggingMiddleware'}, {broker = 'LoggingMiddleware'},\n"
                        "{redis_manager = 'LoggingMiddleware'}, {middleware = 'LoggingMiddleware'}]"),
            (Lines{"5:16 relays" + own, "5:48 routing_mappings" + own, "6:2 transport_mappings" + own,
                   "6:46 broker" + own, "7:2 redis_manager" + own, "7:41 middleware" + own}));
}

// --- faults of options -----------------------------------------------------------------------------------------------

TEST(MiddlewareFaults, OfATableThatIsMissing) {
  EXPECT_EQ(faults_with("[{a = 'AddressTranslationMiddleware'}, {b = 'TaggingMiddleware'}]"),
            (Lines{"1:1 the table a is missing: it holds the options of AddressTranslationMiddleware, such as "
                   "outbound_map",
                   "1:1 the table b is missing: it holds the options of TaggingMiddleware, such as incoming"}));
  EXPECT_EQ(faults_of("\n[[dispatcher]]\nrouter_class = 'SimpleDispatchRouter'\ntransport_names = ['a']\n"
                      "exposed_names = ['x']\nrouting_mappings = {a = 'x'}\n"
                      "middleware = [{mw = 'StaticProviderSettingMiddleware'}]\n"),
            Lines{"2:1 the table mw is missing: it holds the options of StaticProviderSettingMiddleware, such as "
                  "provider"});
  EXPECT_EQ(faults_with("[{a = 'LoggingMiddleware'}]", "a = 'info'"),
            Lines{"6:5 a must be a table of options, not a string"});
}

TEST(MiddlewareFaults, OfATableThatNobodyAsksFor) {
  EXPECT_EQ(faults_with("[{mw1 = 'LoggingMiddleware'}]", "[mw2]\nlog_level = 'info'"),
            Lines{"6:2 unknown key \"mw2\"; did you mean \"mw1\"?"});
  EXPECT_EQ(faults_of(sound + "[logging]\nlog_level = 'info'"), Lines{"5:2 unknown key \"logging\""});
}

TEST(MiddlewareFaults, OfAnOptionThatIsNone) {
  EXPECT_EQ(faults_with("[{a = 'LoggingMiddleware'}]", "[a]\nlog_levels = 'info'\nclass = 1"),
            (Lines{"7:1 unknown key \"log_levels\" in a (LoggingMiddleware); did you mean \"log_level\"?",
                   "8:1 unknown key \"class\" in a (LoggingMiddleware)"}));
  EXPECT_EQ(faults_with("[{a = 'StaticProviderSettingMiddleware'}]", "[a]\nredis_manager = {}"),
            (Lines{"6:1 provider is missing in a (StaticProviderSettingMiddleware)",
                   "7:1 unknown key \"redis_manager\" in a (StaticProviderSettingMiddleware)"}));
}

TEST(MiddlewareFaults, OfLogging) {
  EXPECT_EQ(faults_with("[{a = 'LoggingMiddleware'}]", "a = {log_level = 'warn'}"),
            Lines{"6:18 log_level must be debug, info, warning, error or critical, not \"warn\""});
  EXPECT_EQ(
      faults_with("[{a = 'LoggingMiddleware'}]", "a = {log_level = 'INFO'}"),
      Lines{"6:18 log_level must be debug, info, warning, error or critical, not \"INFO\"; did you mean \"info\"?"});
  EXPECT_EQ(faults_with("[{a = 'LoggingMiddleware'}]", "a = {log_level = 1}"),
            Lines{"6:18 log_level must be a string, not an integer"});
}

TEST(MiddlewareFaults, OfAddressTranslation) {
  const std::string list = "[{a = 'AddressTranslationMiddleware'}]";
  EXPECT_EQ(faults_with(list, "a = {}"), Lines{"6:5 outbound_map is missing in a (AddressTranslationMiddleware)"});
  EXPECT_EQ(faults_with(list, "a = {outbound_map = []}"),
            Lines{"6:21 outbound_map must be a table of addresses, not an array"});
  EXPECT_EQ(faults_with(list, "a = {outbound_map = {x = 'y', '27' = 27}}"),
            Lines{"6:38 27 must be an address, a string, not an integer"});
}

TEST(MiddlewareFaults, OfProviders) {
  EXPECT_EQ(faults_with("[{a = 'StaticProviderSettingMiddleware'}]", "a = {provider = 3}"),
            Lines{"6:17 provider must be a string, not an integer"});
  const std::string list = "[{a = 'AddressPrefixProviderSettingMiddleware'}]";
  EXPECT_EQ(faults_with(list, "a = {}"),
            Lines{"6:5 provider_prefixes is missing in a (AddressPrefixProviderSettingMiddleware)"});
  EXPECT_EQ(faults_with(list, "a = {provider_prefixes = {'+27' = ['x']}, normalize_msisdn = true}"),
            (Lines{"6:35 +27 must be a provider, a string, not an array",
                   "6:62 normalize_msisdn must be a table, not a boolean"}));
  EXPECT_EQ(faults_with(list, "a = {provider_prefixes = {}, normalize_msisdn = {strip_pluss = 1, strip_plus = 1}}"),
            (Lines{"6:49 country_code is missing in normalize_msisdn",
                   "6:50 unknown key \"strip_pluss\" in normalize_msisdn; did you mean \"strip_plus\"?",
                   "6:80 strip_plus must be true or false, not an integer"}));
  for (const char* code : {"+27", "", "two"}) {
    EXPECT_EQ(faults_with(list, std::string("a = {provider_prefixes = {}, normalize_msisdn = {country_code = '") +
                                    code + "'}}"),
              Lines{std::string("6:65 country_code must be digits alone, such as \"27\", and is \"") + code + "\""});
  }
  EXPECT_EQ(faults_with(list, "a = {provider_prefixes = {}, normalize_msisdn = {country_code = 27}}"),
            Lines{"6:65 country_code must be a string of digits such as \"27\", not an integer"});
}

TEST(MiddlewareFaults, OfSessionLength) {
  const std::string list = "[{a = 'SessionLengthMiddleware'}]";
  EXPECT_EQ(faults_with(list, "a = {timeout = 0}"), Lines{"6:16 timeout must lie between 1 and 315360000, and is 0"});
  EXPECT_EQ(faults_with(list, "a = {timeout = 315360001}"),
            Lines{"6:16 timeout must lie between 1 and 315360000, and is 315360001"});
  EXPECT_EQ(faults_with(list, "a = {timeout = 1}"), Lines{});
  EXPECT_EQ(faults_with(list, "a = {timeout = '600'}"), Lines{"6:16 timeout must be an integer, not a string"});
  EXPECT_EQ(faults_with(list, "a = {namespace_type = 'tags'}"),
            Lines{"6:23 namespace_type must be transport_name or tag, not \"tags\"; did you mean \"tag\"?"});
  EXPECT_EQ(faults_with(list, "a = {field_name = ''}"), Lines{"6:19 field_name must not be empty"});
  EXPECT_EQ(faults_with(list, "a = {field_name = 1}"), Lines{"6:19 field_name must be a string, not an integer"});
}

// `incoming` in line 7, `outgoing` in line 8.
Lines tagging_faults(const std::string& incoming, const std::string& outgoing) {
  return faults_with("[{a = 'TaggingMiddleware'}]", "[a]\n" + incoming + "\n" + outgoing);
}

const std::string sound_incoming = "incoming = {addr_pattern = '(x)', tagpool_template = '', tagname_template = '\\1'}";
const std::string sound_outgoing = "outgoing = {tagname_pattern = '(y)', msg_template = {a = '\\1'}}";

TEST(MiddlewareFaults, OfTagging) {
  EXPECT_EQ(tagging_faults(sound_incoming, sound_outgoing), Lines{});
  EXPECT_EQ(tagging_faults("", sound_outgoing), Lines{"6:1 incoming is missing in a (TaggingMiddleware)"});
  EXPECT_EQ(tagging_faults(sound_incoming, ""), Lines{"6:1 outgoing is missing in a (TaggingMiddleware)"});
  EXPECT_EQ(tagging_faults("incoming = {}", "outgoing = {}"),
            (Lines{"7:12 addr_pattern is missing in incoming", "7:12 tagpool_template is missing in incoming",
                   "7:12 tagname_template is missing in incoming", "8:12 tagname_pattern is missing in outgoing",
                   "8:12 msg_template is missing in outgoing"}));
  EXPECT_EQ(tagging_faults("incoming = 1", "outgoing = {tagname_pattern = 1, msg_template = 'x', tag = 3}"),
            (Lines{"7:12 incoming must be a table, not an integer",
                   "8:31 tagname_pattern must be a regular expression, a string, not an integer",
                   "8:49 msg_template must be a table, not a string", "8:54 unknown key \"tag\" in outgoing"}));
}

TEST(MiddlewareFaults, OfPatternsAndTemplates) {
  EXPECT_EQ(tagging_faults("incoming = {addr_pattern = '(x', tagpool_template = '\\1', tagname_template = '\\1'}",
                           "outgoing = {tagname_pattern = '(y', msg_template = {a = '\\1'}}"),
            (Lines{"7:28 the regular expression \"(x\" does not compile: missing ): (x",
                   "8:31 the regular expression \"(y\" does not compile: missing ): (y"}));
  // A pattern that does not compile hides no fault of its templates, save what groups it would have had.
  EXPECT_EQ(tagging_faults("incoming = {addr_pattern = '(x', tagpool_template = '\\q', tagname_template = '\\g<n>'}",
                           "outgoing = {tagname_pattern = '(y', msg_template = {message_id = 'x', a = '\\g'}}"),
            (Lines{"7:28 the regular expression \"(x\" does not compile: missing ): (x",
                   "7:53 the template \"\\q\" is wrong: \\q means nothing in a template",
                   "8:31 the regular expression \"(y\" does not compile: missing ): (y",
                   "8:53 message_id is not for a template to change: it says which message this is",
                   "8:75 the template \"\\g\" is wrong: \\g must be followed by a group's number or name, as in "
                   "\\g<1>"}));
  EXPECT_EQ(tagging_faults("incoming = {addr_pattern = 'x', tagpool_template = '\\1', tagname_template = '\\g<n>'}",
                           "outgoing = {tagname_pattern = 'y', msg_template = {a = {b = '\\q'}, c = ['\\q']}}"),
            (Lines{"7:52 the template \"\\1\" is wrong: \\1 is no group of its pattern, which has none",
                   "7:77 the template \"\\g<n>\" is wrong: its pattern has no group named \"n\"",
                   "8:61 the template \"\\q\" is wrong: \\q means nothing in a template"}));
}

// What is merged into a message must leave it the message that it is, and a message.
TEST(MiddlewareFaults, OfWhatIsMergedIn) {
  const auto merging = [](const std::string& entries) {
    return tagging_faults(sound_incoming, "[a.outgoing]\ntagname_pattern = 'y'\n[a.outgoing.msg_template]\n" + entries);
  };
  for (const std::string field : {"message_type", "message_id", "in_reply_to", "user_message_id", "event_id"}) {
    EXPECT_EQ(merging(field + " = 'x'"),
              Lines{"11:1 " + field + " is not for a template to change: it says which message this is"});
  }
  EXPECT_EQ(merging("to_addr = 3\nhelper_metadata = 'x'\nrouting_metadata = {endpoint_name = 1}\nwhen = 2024-01-01"),
            (Lines{"11:11 to_addr must be a string in a message, not an integer",
                   "12:19 helper_metadata must be a table in a message, not a string",
                   "13:37 endpoint_name must be a string in a message, not an integer",
                   "14:8 a message holds no dates: write this one as a string"}));
  const auto nested = [](int levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  EXPECT_EQ(merging("a = " + nested(31)), Lines{});
  EXPECT_EQ(merging("a = " + nested(32)), Lines{"11:36 a message nests at most 32 levels deep"});
}

}  // namespace
}  // namespace signalbox::testing
