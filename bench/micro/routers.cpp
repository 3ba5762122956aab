// What a routing decision costs, message view included: each router with ten rules and with ten thousand, beside
// SimpleDispatchRouter in the same run. Ratios to that are what docs/performance.md sets budgets for.
//
// 4,096 messages of 424 bytes go round, each for a rule of its own choosing, so that tables are not measured with one
// entry warm. The router comes from a real configuration; what the broker does around the decision (memory, queues) is
// the same for all of them, and left out.
#include <benchmark/benchmark.h>
#include <re2/re2.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/messages.hpp"
#include "bench/micro/floors.hpp"
#include "bench/micro/measured.hpp"
#include "broker/configuration.hpp"
#include "routers/registry.hpp"

namespace signalbox::bench {
namespace {

constexpr size_t messages_round = 4096;

// Rule `i`, as a text of twelve characters that stands for a name, an address or a keyword.
std::string numbered(size_t i) {
  const std::string digits = std::to_string(i);
  std::string text("n");
  return text.append(11 - digits.size(), '0').append(digits);
}

// `count` times, for each rule.
std::string each(size_t count, const std::function<std::string(std::string_view)>& line) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += line(numbered(i));
  return text;
}

std::string list(size_t count) {
  return std::string("[")
      .append(each(count, [](auto n) { return std::string("'").append(n).append("', "); }))
      .append("]");
}

std::string table(std::string_view name, size_t count, const std::string& to) {
  return std::string("[").append(name).append("]\n") +
         each(count, [&](auto n) { return std::string(n) + " = " + to + "\n"; });
}

// Where a message says which rule it is for.
enum class Choice { transport, application, to_addr, from_addr, keyword };

struct Subject {
  const char* name;
  Direction direction;
  Choice choice;
  std::function<std::string(size_t rules)> configuration;
};

std::string start(const std::string& router, const std::string& transports, const std::string& applications) {
  return "router_class = '" + router + "'\ntransport_names = " + transports + "\nexposed_names = " + applications +
         "\n";
}

std::string to_address(size_t rules) {
  return "router_class = 'ToAddressRouter'\ntransport_names = ['s']\nto_address_mappings = [" +
         each(rules, [](auto n) { return "{name = 'a', pattern = '" + std::string(n) + "'},\n"; }) + "]\n";
}

std::string from_address(size_t rules) {
  return "router_class = 'FromAddressRouter'\nchannel = 's'\ndestinations = [" +
         each(rules,
              [](auto n) {
                return "{id = 'a" + std::string(n) + "', config = {regular_expression = '" + std::string(n) + "$'}},\n";
              }) +
         "]\n";
}

std::string to_addr(size_t rules) {
  return start("ToAddrRouter", "['s']", list(rules)) + "[toaddr_mappings]\n" +
         each(rules, [](auto n) { return std::string(n) + " = '" + std::string(n) + "'\n"; });
}

std::string content_keyword(size_t rules) {
  return start("ContentKeywordRouter", "['s']", "['a']") + "dispatcher_name = 'd'\nrules = [" +
         each(rules, [](auto n) { return "{app = 'a', keyword = '" + std::string(n) + "'},\n"; }) + "]\n" +
         table("transport_mappings", rules, "'s'");
}

std::string routing_table(size_t rules) {
  return "router_class = 'RoutingTableDispatcher'\nreceive_inbound_connectors = " + list(rules) +
         "\nreceive_outbound_connectors = ['a']\n" + table("routing_table", rules, "{default = ['a', 'default']}");
}

const std::vector<Subject>& subjects() {
  using enum Direction;
  static const std::vector<Subject> all = {
      {"route_simple", inbound, Choice::transport,
       [](size_t n) { return start("SimpleDispatchRouter", list(n), "['a']") + table("routing_mappings", n, "'a'"); }},
      {"route_transport_to_transport", inbound, Choice::transport,
       [](size_t n) {
         return start("TransportToTransportRouter", list(n), "[]") + table("routing_mappings", n, "'n00000000000'");
       }},
      {"route_from_addr_multiplex", outbound, Choice::from_addr,
       [](size_t n) {
         return start("FromAddrMultiplexRouter", "['s']", "['a']") + table("fromaddr_mappings", n, "'s'");
       }},
      {"route_user_grouping", inbound, Choice::from_addr,
       [](size_t n) {
         return start("UserGroupingRouter", "['s']", "['a']") + "dispatcher_name = 'd'\n" +
                table("group_mappings", n, "'a'");
       }},
      {"route_content_keyword", inbound, Choice::keyword, content_keyword},
      {"route_content_keyword_outbound", outbound, Choice::from_addr, content_keyword},
      {"route_redirect", inbound, Choice::transport,
       [](size_t n) { return start("RedirectRouter", list(n), "['a']") + table("redirect_inbound", n, "'a'"); }},
      {"route_redirect_outbound", outbound, Choice::application,
       [](size_t n) {
         return start("RedirectOutboundRouter", "['s']", list(n)) + table("redirect_outbound", n, "'s'");
       }},
      {"route_load_balancing", outbound, Choice::transport,
       [](size_t n) { return start("LoadBalancingRouter", list(n), "['a']") + "reply_affinity = false\n"; }},
      {"route_routing_table", inbound, Choice::transport, routing_table},
      {"route_patterns_to_addr", inbound, Choice::to_addr, to_addr},
      {"route_patterns_to_address", inbound, Choice::to_addr, to_address},
      {"route_patterns_from_address", inbound, Choice::to_addr, from_address},
  };
  return all;
}

class AllAreLive final : public Surroundings {
  bool has_live_worker(EndpointId) const override { return true; }
};

// A router, and the messages that it is asked about.
class Question {
 public:
  Question(const Subject& subject, size_t rules) : direction_(subject.direction) {
    ConfigurationResult result = read_configuration(subject.configuration(rules), RouterRegistry());
    if (!result.configuration) throw std::runtime_error(to_line(subject.name, result.faults.front()));
    settings_ = std::move(result.configuration->settings);
    for (EndpointId id = 0; id < settings_.endpoints.size(); ++id) {
      (settings_.endpoints[id].role == Role::transport ? transports_ : applications_).push_back(id);
    }
    uint32_t random = 1;
    for (size_t i = 0; i < messages_round; ++i) {
      random = random * 1'664'525 + 1'013'904'223;
      const size_t rule = (random >> 8) % rules;
      questions_.push_back(about(subject.choice, rule));
    }
  }

  // False: the message is no message, or the router refused it, which is none of what is measured.
  bool ask() {
    const One& one = questions_[next_++ % messages_round];
    if (view_.scan(one.message) != Scan::ok) return false;
    const Incoming incoming{.message = view_,
                            .direction = direction_,
                            .sender = one.sender,
                            .transport_name = view_.text(Field::transport_name),
                            .transport = one.transport,
                            .followed = std::nullopt,
                            .now = {.monotonic_ms = next_ >> 10, .wall_us = 0},
                            .broker = broker_};
    decision_.clear();
    Router& router = *settings_.dispatchers[0].router;
    direction_ == Direction::inbound ? router.inbound(incoming, decision_) : router.outbound(incoming, decision_);
    return !decision_.targets().empty();
  }

 private:
  struct One {
    std::string message;
    EndpointId sender = 0;
    std::optional<EndpointId> transport;  // of the name that the message carries
  };

  One about(Choice choice, size_t rule) const {
    const std::string text = numbered(rule);
    const EndpointId transport = transports_[choice == Choice::transport ? rule : 0];
    const EndpointId application = applications_[choice == Choice::application ? rule : 0];
    One one;
    one.sender = direction_ == Direction::inbound ? transport : application;
    if (choice != Choice::application) one.transport = transport;
    const std::string content = choice == Choice::keyword ? text + " and more" : "How much airtime left";
    one.message = vumi_message(settings_.endpoints[one.transport.value_or(application)].name, content).bytes;
    // The addresses of the template are twelve characters long, like the text.
    if (choice == Choice::to_addr) one.message.replace(one.message.find("+27831234567"), text.size(), text);
    if (choice == Choice::from_addr) one.message.replace(one.message.find("+27821112223"), text.size(), text);
    return one;
  }

  const Direction direction_;
  Settings settings_;
  std::vector<EndpointId> transports_;
  std::vector<EndpointId> applications_;
  std::vector<One> questions_;
  AllAreLive broker_;
  size_t next_ = 0;
  MessageView view_;
  Decision decision_;
};

void route(benchmark::State& state, const Subject& subject) {
  Question question(subject, static_cast<size_t>(state.range(0)));
  for (size_t i = 0; i < messages_round; ++i) {
    if (!question.ask()) return state.SkipWithError("a message was refused");
  }
  const Measured measured(state,
                          {.message_bytes = vumi_message_bytes, .floor = copy_floor(vumi_message_bytes, round_kib)});
  for (auto _ : state) benchmark::DoNotOptimize(question.ask());
}

// What one expression costs by itself, on an address that it matches.
void re2_match(benchmark::State& state) {
  re2::RE2::Options options;
  options.set_never_capture(true);
  const re2::RE2 expression(numbered(7), options);
  const std::string address = numbered(7);
  const Measured measured(state, {});
  for (auto _ : state) {
    benchmark::DoNotOptimize(expression.Match(address, 0, address.size(), re2::RE2::ANCHOR_START, nullptr, 0));
  }
}
BENCHMARK(re2_match);

[[maybe_unused]] const bool registered = [] {
  for (const Subject& subject : subjects()) {
    benchmark::RegisterBenchmark(subject.name, [&](benchmark::State& state) { route(state, subject); })
        ->Arg(10)
        ->Arg(10'000);
  }
  return true;
}();

}  // namespace
}  // namespace signalbox::bench
