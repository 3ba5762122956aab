// What routers note for `explain`: which rule took a message and, of rules that did not, why.
#include <gtest/gtest.h>

#include "tests/routers/case_file.hpp"
#include "tests/routers/twins.hpp"

namespace signalbox::testing {
namespace {

using Notes = std::vector<std::string>;

std::string toml(const std::string& router_class, const std::string& more) {
  return "router_class = '" + router_class + "'\ntransport_names = ['s', 't']\n" + more;
}

// What it notes of one message, its decision at the end.
Notes notes_of(RouterHarness& router, const Sample& sample) {
  Notes notes;
  std::string went = router.decide(sample, &notes);
  notes.push_back("-> " + went);
  return notes;
}
Notes notes_of(const std::string& configuration, const Sample& sample) {
  RouterHarness router(configuration);
  return notes_of(router, sample);
}

Sample sample(Direction direction, const std::string& from, const std::string& transport_name, Json fields = {}) {
  Sample one;
  one.direction = direction;
  one.from = from;
  one.transport_name = transport_name;
  if (!fields.is_null()) one.fields = std::move(fields);
  return one;
}
Sample inbound(Json fields) {
  return sample(Direction::inbound, "s", "s", std::move(fields));
}
Sample event() {
  return sample(Direction::event, "s", "s");
}
Sample outbound(Json fields, const std::string& transport_name = "s") {
  return sample(Direction::outbound, "a", transport_name, std::move(fields));
}

const std::string event_not_remembered = "the message that the event is about is not remembered";
const std::string reply_not_remembered = "the message that this one replies to is not remembered";

TEST(Trails, OfSimpleDispatchRouter) {
  const std::string simple = toml("SimpleDispatchRouter",
                                  "exposed_names = ['a']\nrouting_mappings = {s = 'a', t = 'a'}\n"
                                  "transport_mappings = {x = 't'}\n");
  EXPECT_EQ(notes_of(simple, inbound({})), (Notes{"routing_mappings.\"s\"", "-> a"}));
  EXPECT_EQ(notes_of(simple, event()), (Notes{event_not_remembered, "routing_mappings.\"s\"", "-> a"}));
  EXPECT_EQ(notes_of(simple, outbound({}, "x")), (Notes{"transport_mappings.\"x\"", "-> t"}));
  EXPECT_EQ(notes_of(simple, outbound({{"in_reply_to", "m"}})),
            (Notes{reply_not_remembered, "transport_name is a transport of this dispatcher", "-> s"}));
  Sample reply = outbound({{"in_reply_to", "m"}});
  reply.followed = "t";
  EXPECT_EQ(notes_of(simple, reply), (Notes{"the reply goes where the original came from", "-> t"}));
}

TEST(Trails, OfToAddrRouter) {
  const std::string to_addr =
      toml("ToAddrRouter", "exposed_names = ['a', 'b']\ntoaddr_mappings = {a = '8', b = '[+]'}\n");
  EXPECT_EQ(notes_of(to_addr, inbound({{"to_addr", "+1"}})),
            (Notes{"pattern \"8\" does not match to_addr \"+1\"", "pattern \"[+]\" matches to_addr \"+1\"", "-> b"}));
}

TEST(Trails, OfFromAddrMultiplexRouter) {
  const std::string multiplex =
      toml("FromAddrMultiplexRouter", "exposed_names = ['a']\nfromaddr_mappings = {'+1' = 't'}\n");
  const std::string only = "all that comes in goes to the one exposed name";
  EXPECT_EQ(notes_of(multiplex, inbound({})), (Notes{only, "-> a*"}));
  EXPECT_EQ(notes_of(multiplex, event()), (Notes{event_not_remembered, only, "-> a*"}));
  EXPECT_EQ(notes_of(multiplex, outbound({{"from_addr", "+1"}})), (Notes{"fromaddr_mappings.\"+1\"", "-> t*"}));
}

TEST(Trails, OfUserGroupingRouter) {
  RouterHarness grouping(toml("UserGroupingRouter",
                              "exposed_names = ['a', 'b']\ndispatcher_name = 'd'\n"
                              "group_mappings = {one = 'a', two = 'b'}\n"));
  EXPECT_EQ(notes_of(grouping, inbound({{"from_addr", "+1"}})),
            (Notes{"user \"+1\" is new, and gets group \"one\", the next in turn", "-> a"}));
  EXPECT_EQ(notes_of(grouping, inbound({{"from_addr", "+1"}})),
            (Notes{"user \"+1\" is known, in group \"one\"", "-> a"}));
}

TEST(Trails, OfContentKeywordRouter) {
  const std::string keyword = toml("ContentKeywordRouter",
                                   "exposed_names = ['a', 'b']\ndispatcher_name = 'd'\nfallback_application = 'b'\n"
                                   "rules = [{app = 'a', keyword = 'go'}, {app = 'a', keyword = 'go', to_addr = '8'}]\n"
                                   "transport_mappings = {'+1' = 't'}\n");
  const Notes rules = {"rule 1 (keyword is \"go\") fits", "rule 2 (keyword is \"go\", to_addr is \"8\") does not fit"};
  EXPECT_EQ(notes_of(keyword, inbound({{"content", "GO on"}})),
            (Notes{"the keyword is \"go\"", rules[0], rules[1], "-> a"}));
  EXPECT_EQ(notes_of(keyword, inbound({{"content", "no"}})),
            (Notes{"the keyword is \"no\"", "rule 1 (keyword is \"go\") does not fit", rules[1],
                   "fallback_application takes what no rule fits", "-> b"}));
  EXPECT_EQ(notes_of(keyword, outbound({{"from_addr", "+1"}})), (Notes{"transport_mappings.\"+1\"", "-> t"}));
}

TEST(Trails, OfRedirectRouter) {
  const std::string redirect = toml("RedirectRouter",
                                    "exposed_names = ['a']\nredirect_inbound = {s = 'a'}\n"
                                    "redirect_outbound = {a = 't'}\n");
  EXPECT_EQ(notes_of(redirect, inbound({})), (Notes{"redirect_inbound.\"s\"", "-> a*"}));
  EXPECT_EQ(notes_of(redirect, outbound({}, "a")), (Notes{"redirect_outbound.\"a\"", "-> t"}));
}

TEST(Trails, OfLoadBalancingRouter) {
  RouterHarness balancing(toml("LoadBalancingRouter", "exposed_names = ['a']\n"));
  EXPECT_EQ(notes_of(balancing, inbound({})), (Notes{"all that comes in goes to the one exposed name", "-> a*"}));
  EXPECT_EQ(notes_of(balancing, outbound({})), (Notes{"the next transport in turn", "-> s*"}));
  Sample reply =
      outbound({{"in_reply_to", "m"}, {"helper_metadata", {{"load_balancer", {{"transport_names", {"t"}}}}}}});
  EXPECT_EQ(notes_of(balancing, reply), (Notes{"the last name of load_balancer.transport_names", "-> t*"}));
  reply.fields["helper_metadata"]["load_balancer"]["transport_names"] = {"x"};
  reply.live = {"s"};
  EXPECT_EQ(notes_of(balancing, reply),
            (Notes{"the last name of load_balancer.transport_names, \"x\", is no transport of this dispatcher",
                   reply_not_remembered, "the next transport in turn that has a live worker; those before it have none",
                   "-> s*"}));
  EXPECT_EQ(notes_of(balancing, outbound({{"in_reply_to", "m"}}))[0], "load_balancer.transport_names ends in no name");
}

TEST(Trails, OfRoutingTableDispatcher) {
  EXPECT_EQ(notes_of("router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = ['s']\n"
                     "receive_outbound_connectors = ['a']\nrouting_table = {s = {default = ['a', 'x']}}\n",
                     inbound({})),
            (Notes{"routing_table has a row for the sender's endpoint \"default\"", "-> a*"}));
}

TEST(Trails, OfToAddressRouter) {
  const std::string to_address =
      toml("ToAddressRouter", "to_address_mappings = [{name = 'b', pattern = '8'}]\ndefault_app = 'a'\n");
  EXPECT_EQ(notes_of(to_address, inbound({{"to_addr", "+1"}})),
            (Notes{"pattern \"8\" does not match \"+1\"", "default_app takes what no pattern matches", "-> a"}));
  EXPECT_EQ(notes_of(to_address, inbound({})), (Notes{"the message has no to_addr for a pattern to match",
                                                      "default_app takes what no pattern matches", "-> a"}));
}

TEST(Trails, OfFromAddressRouter) {
  const std::string from_address =
      "router_class = 'FromAddressRouter'\nchannel = 's'\n"
      "destinations = [{id = 'a', config = {regular_expression = '8', default = true}}]\n";
  const std::string otherwise = "destinations marked default take what no expression finds";
  EXPECT_EQ(notes_of(from_address, inbound({{"to_addr", "181"}})),
            (Notes{"expression \"8\" is found in \"181\"", "-> a"}));
  EXPECT_EQ(notes_of(from_address, inbound({{"to_addr", "1"}})),
            (Notes{"expression \"8\" is not found in \"1\"", otherwise, "-> a"}));
  EXPECT_EQ(notes_of(from_address, inbound({})), (Notes{"the message has no to_addr to look into", otherwise, "-> a"}));
  EXPECT_EQ(notes_of(from_address, outbound({})), (Notes{"everything outbound goes to the channel", "-> s"}));
}

// Over every case of every router: who delivers says by what rule, and who does not says why.
TEST(Trails, NoDecisionIsWithoutAReason) {
  size_t decisions = 0;
  for (const Case& one : read_case_files(SIGNALBOX_ROUTER_CASES)) {
    ASSERT_EQ(one.fault, "");
    RouterHarness router(one.configuration);
    if (router.settings().dispatchers.size() > 1) continue;  // the harness asks the router of the first alone
    for (const Step& step : one.steps) {
      Sample sample;
      sample.from = step.from;
      sample.fields = step.message;
      sample.live = step.live;
      sample.now = step.now;
      const bool from_transport = router.settings().endpoints[router.id(step.from)].role == Role::transport;
      sample.direction = !from_transport                           ? Direction::outbound
                         : step.message["message_type"] == "event" ? Direction::event
                                                                   : Direction::inbound;
      if (step.followed.size() == 1) sample.followed = step.followed[0];
      Notes notes;
      const std::string went = router.decide(sample, &notes);
      const bool says_itself = went.starts_with("refused ") || went.starts_with("discarded: ");
      EXPECT_TRUE(says_itself ? !router.decision().reason().empty() : !notes.empty())
          << one.file << ": " << step.it << ": " << went;
      ++decisions;
    }
  }
  EXPECT_GT(decisions, 100u);
}

}  // namespace
}  // namespace signalbox::testing
