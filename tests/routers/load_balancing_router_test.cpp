// LoadBalancingRouter beside a naive twin: long random conversations, since it is the one router here that changes as
// it goes.
#include <gtest/gtest.h>

#include "tests/routers/twins.hpp"

namespace signalbox::testing {
namespace {

struct Twin {
  Names transports;
  bool affinity = true;
  bool rewrites = true;
  size_t next = 0;

  std::string configuration() const {
    return "router_class = 'LoadBalancingRouter'\ntransport_names = [" + joined(transports, ", ", "'") +
           "]\nexposed_names = ['muxed']\nrelays = ['" + transports.front() +
           "']\nreply_affinity = " + (affinity ? "true" : "false") +
           "\nrewrite_transport_names = " + (rewrites ? "true" : "false") + "\n";
  }

  static Json* list_of(Json& message) {
    if (!message.contains("helper_metadata") || !message["helper_metadata"].is_object()) return nullptr;
    Json& metadata = message["helper_metadata"];
    if (!metadata.contains("load_balancer") || !metadata["load_balancer"].is_object()) return nullptr;
    Json& balancer = metadata["load_balancer"];
    if (!balancer.contains("transport_names") || !balancer["transport_names"].is_array()) return nullptr;
    return &balancer["transport_names"];
  }

  // The fields that the test gives are such that there is a list, or none of the tables on the way to it.
  static void push(Json& message, const std::string& name) {
    if (Json* list = list_of(message)) {
      list->push_back(name);
    } else {
      message["helper_metadata"] = {{"load_balancer", {{"transport_names", {name}}}}};
    }
  }

  std::string take_turn(const Sample& sample) {
    for (size_t i = 0; i < transports.size(); ++i) {
      const std::string& name = transports[(next + i) % transports.size()];
      if (!sample.live->contains(name)) continue;
      next += i + 1;
      return name;
    }
    return transports[next++ % transports.size()];
  }

  std::string choose(const Sample& sample, Json& message) {
    const bool is_reply = text_in(sample, "in_reply_to").value_or("") != "";
    if (!affinity || !is_reply) return take_turn(sample);
    Json last;
    if (Json* list = list_of(message); list != nullptr && !list->empty()) {
      last = list->back();
      list->erase(list->size() - 1);
    }
    if (last.is_string() && has(transports, last)) return last;
    return sample.followed.empty() ? take_turn(sample) : sample.followed;
  }

  Fate decide(const Sample& sample) {
    Json message = sent(sample);
    std::string target = "muxed";
    if (sample.direction == Direction::outbound) {
      target = choose(sample, message);
    } else if (sample.direction == Direction::inbound && affinity) {
      push(message, sample.transport_name.value_or(sample.from));
    }
    if (rewrites) message["transport_name"] = target;
    return {target, message};
  }
};

class Conversation {
 public:
  explicit Conversation(uint32_t seed) : random_(seed) {}

  size_t below(size_t bound) { return random_() % bound; }

  Sample message(const Names& transports) {
    Sample sample;
    sample.direction = static_cast<Direction>(below(6) < 4 ? 2 : below(2));
    const bool outbound = sample.direction == Direction::outbound;
    sample.from = outbound ? "muxed" : transports[below(transports.size())];
    if (below(2) == 0) sample.transport_name = below(2) == 0 ? "far_off" : transports[below(transports.size())];
    if (outbound && below(3) > 0) {
      sample.fields["in_reply_to"] = below(5) == 0 ? "" : "m";
      if (below(2) == 0 && sample.fields["in_reply_to"] != "") sample.followed = transports[below(transports.size())];
    }
    if (below(4) > 0) {
      Json list = Json::array();
      for (size_t i = below(4); i > 0; --i) list.push_back(element(transports));
      sample.fields["helper_metadata"] = {{"load_balancer", {{"transport_names", list}, {"x", 1}}}, {"y", nullptr}};
    }
    sample.live.emplace();
    for (const std::string& name : transports) {
      if (below(3) > 0) sample.live->insert(name);
    }
    return sample;
  }

 private:
  Json element(const Names& transports) {
    switch (below(6)) {
      case 0:
        return "far_off";
      case 1:
        return nullptr;
      case 2:
        return Json{{"deep", {1, 2}}};
      default:
        return transports[below(transports.size())];
    }
  }

  std::mt19937 random_;
};

TEST(LoadBalancingRouter, AgreesWithItsTwinInLongConversations) {
  const uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  Conversation conversation(seed);
  for (size_t round = 0; round < 80; ++round) {
    Twin twin{.transports = {}, .affinity = round % 4 != 0, .rewrites = round % 3 != 0};
    for (size_t i = 0; i <= conversation.below(5); ++i) twin.transports.push_back(numbered('t', 9 - i));
    RouterHarness harness(twin.configuration());
    for (int i = 0; i < 200; ++i) {
      const Sample sample = conversation.message(twin.transports);
      const Fate wanted = twin.decide(sample);
      const Fate got = ask(harness, sample);
      ASSERT_EQ(got.goes, wanted.goes) << "seed " << seed << '\n' << twin.configuration() << described(sample);
      ASSERT_EQ(got.arrives, wanted.arrives) << "seed " << seed << '\n' << twin.configuration() << described(sample);
    }
  }
}

}  // namespace
}  // namespace signalbox::testing
