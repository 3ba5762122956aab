// What no case file can hold, for the routers that go by names and addresses: bytes that are no UTF-8, the longest
// names, many targets.
#include <gtest/gtest.h>

#include "protocol/limits.hpp"
#include "tests/routers/core_harness.hpp"
#include "tests/routers/twins.hpp"

namespace signalbox::testing {
namespace {

const std::string no_utf8 = "\xff\xc0\x80 8\xed\xa0\x80";

// One dispatcher of each class that can be asked about anything; `sms` sends, `app` answers.
const std::map<std::string, std::string> configurations = {
    {"SimpleDispatchRouter", "transport_names = ['sms']\nexposed_names = ['app']\nrouting_mappings = {sms = 'app'}\n"},
    {"TransportToTransportRouter",
     "transport_names = ['sms']\nexposed_names = ['app']\nrouting_mappings = {sms = 'sms'}\n"},
    {"ToAddrRouter", "transport_names = ['sms']\nexposed_names = ['app']\ntoaddr_mappings = {app = '8'}\n"},
    {"FromAddrMultiplexRouter",
     "transport_names = ['sms']\nexposed_names = ['app']\nfromaddr_mappings = {'8' = 'sms'}\n"},
    {"RedirectRouter",
     "transport_names = ['sms']\nexposed_names = ['app']\nredirect_inbound = {sms = 'app'}\n"
     "redirect_outbound = {app = 'sms'}\n"},
    {"LoadBalancingRouter", "transport_names = ['sms']\nexposed_names = ['app']\n"},
    {"RoutingTableDispatcher",
     "receive_inbound_connectors = ['sms']\nreceive_outbound_connectors = ['app']\n"
     "[routing_table]\nsms.default = ['app', 'default']\napp.default = ['sms', 'default']\n"},
};

std::string configuration(const std::string& router_class) {
  std::string toml = "router_class = '";
  toml.append(router_class).append("'\n");
  if (router_class != "RoutingTableDispatcher") toml.append("relays = ['sms']\n");
  return toml.append(configurations.at(router_class));
}

class OddMessages : public ::testing::TestWithParam<std::string> {};

// Each field in turn has what is odd about it; whatever becomes of the message, it is one of the ends that there are,
// and a copy is still the message but for what the router says it rewrites.
TEST_P(OddMessages, StopNoRouter) {
  CoreHarness core(configuration(GetParam()));
  const std::vector<Json> odd = {nullptr, "", no_utf8, std::string(255, 'n'), std::string(70'000, '8')};
  const Names keys = {"transport_name", "to_addr", "from_addr", "content", "in_reply_to"};
  size_t taken = 0;
  for (const std::string& from : {std::string("sms"), std::string("app")}) {
    for (const std::string& key : keys) {
      for (const Json& value : odd) {
        Json message = {{"message_type", "user_message"}, {"message_id", "m"}, {"to_addr", "8"}, {"from_addr", "8"}};
        if (from == "app") message["transport_name"] = "app";
        message[key] = value;
        const std::string went = core.send(from, message, {});
        EXPECT_TRUE(went == "sms" || went == "app" || went == "discarded" || went.starts_with("refused no_route: ") ||
                    went.starts_with("refused unknown_endpoint: ") ||
                    (value == Json(no_utf8) && went.ends_with(" is not UTF-8")))
            << went;
        EXPECT_LT(went.size(), 1000u) << "a reason has a bound of its own";
        EXPECT_EQ(went.find('\xff'), std::string::npos) << "a reason is text";
        for (const CoreHarness::Copy& copy : core.copies()) {
          ++taken;
          EXPECT_TRUE(key == "transport_name" || copy.message[key] == value) << copy.target;
        }
      }
    }
  }
  EXPECT_GT(taken, 0u);
}

TEST_P(OddMessages, EventsToo) {
  CoreHarness core(configuration(GetParam()));
  for (const Json& value : std::vector<Json>{nullptr, "", no_utf8, std::string(255, 'n')}) {
    Json event = {{"message_type", "event"}, {"event_id", "e"}, {"event_type", "ack"}, {"user_message_id", "m"}};
    event["transport_name"] = value;
    event["to_addr"] = value;
    const std::string went = core.send("sms", event, {});
    EXPECT_TRUE(went == "app" || went == "discarded" || went.starts_with("refused no_route: ") ||
                (value == Json(no_utf8) && went.ends_with(" is not UTF-8")))
        << went;
  }
}

std::string class_name(const ::testing::TestParamInfo<std::string>& info) {
  return info.param;
}

INSTANTIATE_TEST_SUITE_P(Routers, OddMessages,
                         ::testing::Values("SimpleDispatchRouter", "TransportToTransportRouter", "ToAddrRouter",
                                           "FromAddrMultiplexRouter", "RedirectRouter", "LoadBalancingRouter",
                                           "RoutingTableDispatcher"),
                         class_name);

TEST(LongNames, AreNamesLikeAnyOther) {
  const std::string t(255, 't');
  const std::string a(255, 'a');
  const auto lists = [&](const std::string& router_class) {
    return "router_class = '" + router_class + "'\ntransport_names = ['" + t + "']\nexposed_names = ['" + a + "']\n";
  };
  const Json message = {{"message_type", "user_message"}, {"message_id", "m"}, {"from_addr", "8"}, {"to_addr", "8"}};
  Json outbound = message;
  outbound["transport_name"] = a;

  CoreHarness redirect(lists("RedirectRouter") + "redirect_inbound = {" + t + " = '" + a + "'}\nredirect_outbound = {" +
                       a + " = '" + t + "'}\n");
  EXPECT_EQ(redirect.send(t, message, {}), a);
  EXPECT_EQ(redirect.copies().at(0).message["transport_name"], a);
  EXPECT_EQ(redirect.send(a, outbound, {}), t);

  CoreHarness multiplex(lists("FromAddrMultiplexRouter") + "fromaddr_mappings = {'8' = '" + t + "'}\n");
  EXPECT_EQ(multiplex.send(a, outbound, {}), t);
  EXPECT_EQ(multiplex.copies().at(0).message["transport_name"], t);

  CoreHarness balance(lists("LoadBalancingRouter"));
  EXPECT_EQ(balance.send(t, message, {}), a);
  EXPECT_EQ(balance.copies().at(0).message["helper_metadata"]["load_balancer"]["transport_names"], Json{t});
  EXPECT_EQ(balance.send(a, outbound, {}), t);
}

TEST(ManyTargets, EachGetsItsCopy) {
  Names names;
  for (size_t i = 0; i < 64; ++i) names.push_back(numbered('a', 63 - i));
  std::string list = "[";
  list.append(joined(names, ", ", "'")).append("]");
  const Json message = {{"message_type", "user_message"}, {"message_id", "m"}, {"to_addr", "8"}};

  CoreHarness simple("router_class = 'SimpleDispatchRouter'\ntransport_names = ['t']\nexposed_names = " + list +
                     "\nrouting_mappings = {t = " + list + "}\n");
  EXPECT_EQ(simple.send("t", message, {}), joined(names, ", "));

  CoreHarness across("router_class = 'TransportToTransportRouter'\ntransport_names = " + list +
                     "\nexposed_names = []\nrouting_mappings = {a0 = " + list + "}\n");
  EXPECT_EQ(across.send("a0", message, {}), joined(names, ", "));

  std::string patterns;
  for (const std::string& name : names) patterns += name + " = '8'\n";
  CoreHarness to_addr("router_class = 'ToAddrRouter'\ntransport_names = ['t']\nexposed_names = " + list +
                      "\n[toaddr_mappings]\n" + patterns);
  EXPECT_EQ(to_addr.send("t", message, {}), joined(names, ", "));
}

}  // namespace
}  // namespace signalbox::testing
