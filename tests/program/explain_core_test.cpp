// The same random messages through `explain` and through a core: they have to arrive at the same endpoints with the
// same bytes, or be refused with the same code and words. Routers keep what they remember from message to message on
// both sides, so round robins and groups go along.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "tests/core/bus.hpp"
#include "tests/program/explaining.hpp"

namespace signalbox::testing {
namespace {

using Outcome = Routing::Verdict::Outcome;

// What became of one message: by endpoint, in order, and what the sender was told.
struct Fate {
  std::vector<std::pair<std::string, std::string>> copies;
  std::string refusal;
  bool operator==(const Fate&) const = default;
};

class RandomMessages {
 public:
  explicit RandomMessages(uint64_t seed) : random_(seed) {}

  size_t below(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }
  const std::string& any(const std::vector<std::string>& of) { return of[below(of.size())]; }

  std::string event(const std::vector<std::string>& names) {
    std::vector<std::pair<std::string, std::string>> fields = {
        {"message_type", "event"}, {"event_id", "e"}, {"event_type", "ack"}, {"user_message_id", any(ids_)}};
    if (below(8) == 0) fields.emplace_back("transport_name", any(names));
    return message(fields);
  }
  std::string user_message(const std::vector<std::string>& names, const std::string& own_name) {
    std::vector<std::pair<std::string, std::string>> fields = {{"message_type", "user_message"}};
    if (below(50) != 0) fields.emplace_back("message_id", any(ids_));
    if (below(2) == 0) fields.emplace_back("in_reply_to", any(ids_));
    if (below(3) != 0) fields.emplace_back("to_addr", any(addresses_));
    if (below(3) != 0) fields.emplace_back("from_addr", any(addresses_));
    if (below(3) != 0) fields.emplace_back("content", any(contents_));
    if (below(3) == 0) fields.emplace_back("transport_name", below(4) == 0 ? any(names) : own_name);
    if (below(20) == 0) fields.emplace_back("helper_metadata", "no map");
    return message(fields);
  }

 private:
  std::mt19937_64 random_;
  const std::vector<std::string> ids_ = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
  const std::vector<std::string> addresses_ = {"1", "12", "2", "21", "+27831234567"};
  const std::vector<std::string> contents_ = {"survey", "Survey please", "quiz", "", "hello"};
};

// Both sides, with a worker at every endpoint.
class Both {
 public:
  explicit Both(const std::string& toml) : bus_(toml), configuration_(configured(toml)) {
    const auto& endpoints = settings().endpoints;
    for (EndpointId id = 0; id < endpoints.size(); ++id) {
      if (endpoints[id].joint || endpoints[id].dead_letters) continue;
      senders_.push_back(id);
      peers_.emplace(id, Peer(bus_, id + 1));
      EXPECT_EQ(peers_.at(id).hello(endpoints[id].role, endpoints[id].name).size(), 1U);
    }
  }

  const std::vector<EndpointId>& senders() const { return senders_; }
  const EndpointSettings& endpoint(EndpointId id) { return settings().endpoints[id]; }

  Fate sent(EndpointId from, const std::string& bytes) {
    bus_.advance(1);
    peers_.at(from).send({bytes});
    Fate fate;
    for (auto& [id, peer] : peers_) {
      for (const Received& frame : peer.take()) {
        for (const std::string& copy : frame.messages) fate.copies.emplace_back(endpoint(id).name, copy);
        if (!frame.is<Refuse>()) continue;
        const auto refuse = frame.as<Refuse>();
        fate.refusal = std::string(refuse.code) + ": " + std::string(refuse.text);
      }
    }
    std::ranges::sort(fate.copies);
    return fate;
  }

  Fate explained(EndpointId from, const std::string& bytes) {
    const Explanation explanation = explain(
        settings(), {.from = from, .message = bytes, .remembered = known_, .alive = std::nullopt, .now = bus_.now()});
    Fate fate;
    if (explanation.first != nullptr) add_copies(*explanation.first, fate);
    std::vector<std::string> names;
    for (const auto& [name, copy] : fate.copies) names.push_back(name);
    EXPECT_EQ(names, explanation.taken_by);
    std::ranges::sort(fate.copies);
    if (explanation.outcome == Outcome::refused) {
      fate.refusal = std::string(to_string(explanation.refusal.code)) + ": " + explanation.refusal.text;
    }
    MessageView view;
    if (explanation.outcome == Outcome::taken && view.scan(bytes) == Scan::ok &&
        view.kind() == MessageKind::user_message) {
      known_.push_back({std::string(view.text(Field::message_id)), from});
    }
    return fate;
  }

 private:
  Settings& settings() { return configuration_->settings; }

  static void add_copies(const Explanation::Passage& passage, Fate& fate) {
    for (const Explanation::Target& target : passage.targets) {
      if (target.behind != nullptr) add_copies(*target.behind, fate);
      if (!target.is_joint && !target.refusal) fate.copies.emplace_back(target.name, target.copy);
    }
  }

  Bus bus_;
  std::unique_ptr<Configuration> configuration_;
  std::map<EndpointId, Peer> peers_;
  std::vector<EndpointId> senders_;
  std::vector<ExplainInput::Remembered> known_;
};

void compare(const std::string& toml) {
  SCOPED_TRACE(toml);
  Both both(toml);
  RandomMessages random(20'110'921);
  std::vector<std::string> names = {"elsewhere"};
  for (const EndpointId id : both.senders()) names.push_back(both.endpoint(id).name);
  size_t taken = 0;
  size_t refused = 0;
  for (int i = 0; i < 300; ++i) {
    const EndpointId from = both.senders()[random.below(both.senders().size())];
    const std::string bytes =
        random.below(4) == 0 ? random.event(names) : random.user_message(names, both.endpoint(from).name);
    const Fate arrived = both.sent(from, bytes);
    EXPECT_EQ(both.explained(from, bytes), arrived) << "message " << i << " from " << both.endpoint(from).name;
    taken += arrived.copies.empty() ? 0 : 1;
    refused += arrived.refusal.empty() ? 0 : 1;
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(taken, 50U);
  EXPECT_GT(refused, 10U);
}

TEST(ExplainAndCore, AgreeOnFanOutAndMiddleware) {
  compare(R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["sms", "ussd"]
exposed_names   = ["survey", "archive"]
middleware      = [{static = "StaticProviderSettingMiddleware"}, {names = "AddressTranslationMiddleware"},
                   {length = "SessionLengthMiddleware"}]
[routing_mappings]
sms = ["survey", "archive"]
[static]
provider = "MTN"
[names]
outbound_map = {"21" = "12"}
)");
}

TEST(ExplainAndCore, AgreeOnTurns) {
  compare(R"(
[[dispatcher]]
name            = "balancing"
router_class    = "LoadBalancingRouter"
transport_names = ["sms_a", "sms_b", "sms_c"]
exposed_names   = ["survey"]
[[dispatcher]]
name            = "grouping"
router_class    = "UserGroupingRouter"
dispatcher_name = "grouping"
transport_names = ["ussd"]
exposed_names   = ["old_quiz", "new_quiz"]
[dispatcher.group_mappings]
a = "old_quiz"
b = "new_quiz"
)");
}

TEST(ExplainAndCore, AgreeOnAddressesAndKeywords) {
  compare(R"(
[[dispatcher]]
name                = "addresses"
router_class        = "ToAddressRouter"
transport_names     = ["sms"]
to_address_mappings = [{name = "survey", pattern = "1"}, {name = "quiz", pattern = "2"}]
[[dispatcher]]
name                = "senders"
router_class        = "FromAddrMultiplexRouter"
transport_names     = ["ussd_a", "ussd_b"]
exposed_names       = ["menu"]
[dispatcher.fromaddr_mappings]
1  = "ussd_a"
21 = "ussd_b"
)");
}

// What comes in goes through the joint and arrives, so that each of the two remembers it.
TEST(ExplainAndCore, AgreeOnChains) {
  compare(R"(
[[dispatcher]]
name            = "phone"
router_class    = "SimpleDispatchRouter"
transport_names = ["sms", "ussd"]
exposed_names   = ["phones", "archive"]
[dispatcher.routing_mappings]
sms  = ["archive", "phones"]
ussd = "phones"
[[dispatcher]]
name                 = "apps"
router_class         = "ContentKeywordRouter"
dispatcher_name      = "apps"
fallback_application = "helpdesk"
transport_names      = ["phones"]
exposed_names        = ["survey", "helpdesk"]
rules                = [{app = "survey", keyword = "survey"}, {app = "helpdesk", keyword = "survey", prefix = "+27"}]
[dispatcher.transport_mappings]
2 = "phones"
)");
}

}  // namespace
}  // namespace signalbox::testing
