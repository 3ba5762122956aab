// ContentKeywordRouter: the first word of a message says which applications get it.
//
// The keyword is the text before the first space, in lower case; every rule that fits fires, in order, and the fallback
// takes what no rule does. Outbound goes by from_addr (transport_mappings means something else here than in
// SimpleDispatchRouter). Events follow their message; where the broker remembers nothing (reply_tracking = false) this
// router keeps, as vumi's does, the transport_name that the outbound message carried, and an event goes to the exposed
// name that is equal to it.
//
// Thread: one. Owns: its tables, constant once made, and its memory of outbound messages.
// Tested by the cases in cases/content_keyword.toml, and a naive twin.
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "protocol/limits.hpp"
#include "routers/built_in.hpp"
#include "routers/following.hpp"
#include "routers/keyword_rules.hpp"
#include "routers/lower_case.hpp"
#include "routers/outbound_memory.hpp"
#include "routers/reading_names.hpp"

namespace signalbox {

namespace {

std::optional<std::string_view> address(const MessageView& message, Field field) {
  if (!message.has(field)) return std::nullopt;
  return message.text(field);
}

class ContentKeywordRouter final : public Router {
 public:
  explicit ContentKeywordRouter(RouterSetup& setup) : memory_(setup, table_name(setup), keep_ms(setup)) {
    setup.require("exposed_names");
    read_rules(setup, setup.find("rules"));
    read_keyword_mappings(setup, setup.find("keyword_mappings"));
    check_rule_count(setup);
    if (const Setting* fallback = setup.find("fallback_application")) {
      fallback_ = read_endpoint(setup, *fallback, Role::application);
      fallback_name_ = fallback->text;
    }
    for (const std::string& name : setup.applications()) applications_.emplace(name, *setup.application(name));
    const Setting* transports = setup.require("transport_mappings");
    if (is_table(setup, transports, "transport_mappings")) {
      for (const Setting& entry : transports->items) {
        if (const auto transport = read_endpoint(setup, entry, Role::transport))
          transports_.emplace(entry.key, *transport);
      }
    }
    add_routes(setup, transports);
  }

  void inbound(const Incoming& incoming, Decision& decision) override {
    const std::string_view content = incoming.message.text(Field::content);
    const std::string_view keyword = lower_case_(content.substr(0, content.find(' ')));
    const std::vector<uint32_t>& fitting =
        rules_.fitting(keyword, address(incoming.message, Field::to_addr), address(incoming.message, Field::from_addr));
    if (Trail* trail = decision.trail()) note(*trail, keyword, fitting);
    for (const uint32_t rule : fitting) decision.deliver(targets_[rule]);
    if (!fitting.empty()) return;
    if (fallback_) {
      decision.deliver(*fallback_);
    } else {
      decision.refuse(RefusalCode::no_route,
                      "no rule fits keyword " + in_quotes(keyword) + ", and there is no fallback_application");
    }
  }

  void event(const Incoming& incoming, Decision& decision) override {
    if (follow_event(incoming, decision)) return;
    const auto name = memory_.of(incoming);
    const auto application = name ? applications_.find(name->text) : applications_.end();
    if (application != applications_.end()) {
      if (Trail* trail = decision.trail()) trail->note("the message carried transport_name " + in_quotes(name->text));
      decision.deliver(application->second);
    } else if (name) {
      decision.refuse(RefusalCode::no_route, name->has_text
                                                 ? "the message that the event is about carried transport_name " +
                                                       in_quotes(name->text) + ", which is no exposed name"
                                                 : "the message that the event is about carried no transport_name");
    } else {
      decision.refuse(RefusalCode::no_route, "the message that the event is about is not remembered");
    }
  }

  void outbound(const Incoming& incoming, Decision& decision) override {
    const auto from = address(incoming.message, Field::from_addr);
    const auto transport = from ? transports_.find(*from) : transports_.end();
    if (transport != transports_.end()) {
      if (Trail* trail = decision.trail()) trail->note("transport_mappings." + in_quotes(*from));
      decision.deliver(transport->second);
    } else if (!follow_reply(incoming, decision)) {
      decision.refuse(RefusalCode::no_route, from ? "transport_mappings has no entry for from_addr " + in_quotes(*from)
                                                  : "the message has no from_addr, by which the transport is chosen");
    }
  }

  void taken(const Incoming& incoming) override {
    if (incoming.direction == Direction::outbound) memory_.remember(incoming, Field::transport_name);
  }

  bool keeps_state() const override { return memory_.is_kept(); }
  std::vector<Route> routes() const override { return routes_; }

 private:
  static std::string table_name(RouterSetup& setup) {
    const Setting* name = setup.require("dispatcher_name");
    return is_text(setup, name, "dispatcher_name") ? name->text : "";
  }

  // The time for which the broker would remember; 0: until pushed out.
  static uint64_t keep_ms(const RouterSetup& setup) { return setup.expire_routing_memory_s() * 1000; }

  void read_rules(RouterSetup& setup, const Setting* rules) {
    if (rules == nullptr) return;
    if (rules->type != Setting::Type::array) {
      return setup.fault(rules->position, "rules must be an array of {app, keyword, to_addr, prefix}, not " +
                                              std::string(to_string(rules->type)));
    }
    for (const Setting& rule : rules->items) read_rule(setup, rule);
  }

  void read_rule(RouterSetup& setup, const Setting& rule) {
    if (rule.type != Setting::Type::table) {
      return setup.fault(rule.position,
                         "{app, keyword, to_addr, prefix} is needed here, not " + std::string(to_string(rule.type)));
    }
    const std::vector<std::string> known = {"app", "keyword", "to_addr", "prefix"};
    for (const Setting& item : rule.items) {
      if (std::ranges::find(known, item.key) == known.end()) {
        setup.unknown_name(item.key_position, "unknown key " + in_quotes(item.key), item.key, known);
      }
    }
    const Setting* app = rule.find("app");
    const Setting* keyword = rule.find("keyword");
    if (app == nullptr) setup.fault(rule.position, "app is missing");
    if (keyword == nullptr) setup.fault(rule.position, "keyword is missing");
    KeywordRule read{.keyword = {},
                     .to_addr = optional_text(setup, rule, "to_addr"),
                     .prefix = optional_text(setup, rule, "prefix")};
    const auto target = app == nullptr ? std::nullopt : read_endpoint(setup, *app, Role::application);
    if (keyword == nullptr || !read_keyword(setup, *keyword, read.keyword) || !target) return;
    add_rule(std::move(read), rule.position, *target, app->text);
  }

  void read_keyword_mappings(RouterSetup& setup, const Setting* mappings) {
    if (!is_table(setup, mappings, "keyword_mappings")) return;
    for (const Setting& entry : mappings->items) {
      Setting app;  // a key here
      app.type = Setting::Type::text;
      app.position = entry.key_position;
      app.text = entry.key;
      const auto target = read_endpoint(setup, app, Role::application);
      KeywordRule read;
      if (read_keyword(setup, entry, read.keyword) && target)
        add_rule(std::move(read), entry.key_position, *target, entry.key);
    }
  }

  static std::optional<std::string> optional_text(RouterSetup& setup, const Setting& rule, std::string_view key) {
    const Setting* setting = rule.find(key);
    if (setting == nullptr) return std::nullopt;
    if (setting->type == Setting::Type::text) return setting->text;
    setup.fault(setting->position,
                std::string(key) + " must be a string, not " + std::string(to_string(setting->type)));
    return std::nullopt;
  }

  bool read_keyword(RouterSetup& setup, const Setting& setting, std::string& keyword) {
    if (setting.type != Setting::Type::text) {
      setup.fault(setting.position, "a keyword must be a string, not " + std::string(to_string(setting.type)));
      return false;
    }
    if (setting.text.find(' ') != std::string::npos) {
      setup.warn(setting.position, "the keyword " + in_quotes(setting.text) +
                                       " has a space, and a keyword ends at the first space: it never fits");
    }
    keyword = lower_case_(setting.text);
    return true;
  }

  void add_rule(KeywordRule rule, Position where, EndpointId target, const std::string& application) {
    rules_.add(rule);
    targets_.push_back(target);
    std::string condition = "keyword is " + in_quotes(rule.keyword);
    if (rule.to_addr) condition += ", to_addr is " + in_quotes(*rule.to_addr);
    if (rule.prefix) condition += ", from_addr starts with " + in_quotes(*rule.prefix);
    routes_.push_back({"inbound", "any", std::move(condition), application, ""});
    placed_.emplace_back(std::move(rule), where);
  }

  // A message that is just what a rule asks for shows whether too many fit with it; once for each keyword. Rules may
  // meet in other messages too, and that is refused when such a message comes.
  void check_rule_count(RouterSetup& setup) {
    std::unordered_set<std::string_view> reported;
    for (const auto& [rule, where] : placed_) {
      if (placed_.size() <= limits::targets_max || reported.contains(rule.keyword)) continue;
      const std::vector<uint32_t>& fitting = rules_.fitting(rule.keyword, rule.to_addr, rule.prefix);
      if (fitting.size() <= limits::targets_max) continue;
      reported.insert(rule.keyword);
      setup.fault(placed_[fitting[limits::targets_max]].second,
                  "a message can go to at most " + std::to_string(limits::targets_max) + " applications, and " +
                      std::to_string(fitting.size()) + " rules fit one with keyword " + in_quotes(rule.keyword));
    }
    placed_.clear();
  }

  // The first rows of routes_ are the rules, in order.
  void note(Trail& trail, std::string_view keyword, const std::vector<uint32_t>& fitting) const {
    trail.note("the keyword is " + in_quotes(keyword));
    auto fits = fitting.begin();
    for (uint32_t rule = 0; rule < targets_.size(); ++rule) {
      const bool fit = fits != fitting.end() && *fits == rule;
      if (fit) ++fits;
      trail.note("rule " + std::to_string(rule + 1) + " (" + routes_[rule].condition +
                 (fit ? ") fits" : ") does not fit"));
    }
    if (fitting.empty() && fallback_) trail.note("fallback_application takes what no rule fits");
  }

  void add_routes(const RouterSetup& setup, const Setting* transports) {
    routes_.push_back({"inbound", "any", "otherwise", fallback_ ? fallback_name_ : "refused: no_route", ""});
    const std::string_view condition = add_followed_event(setup, routes_);
    if (!setup.reply_tracking()) {
      routes_.push_back(
          {"event", "any", "its message carried the name of an application in transport_name", "that application", ""});
    }
    routes_.push_back(
        {"event", "any", std::string(setup.reply_tracking() ? condition : "otherwise"), "refused: no_route", ""});
    if (transports != nullptr && transports->type == Setting::Type::table) {
      for (const Setting& entry : transports->items) {
        routes_.push_back({"outbound", "any", "from_addr is " + in_quotes(entry.key), entry.text, ""});
      }
    }
    add_followed_reply(setup, routes_);
    routes_.push_back({"outbound", "any", "otherwise", "refused: no_route", ""});
  }

  LowerCase lower_case_;
  KeywordRules rules_;
  std::vector<EndpointId> targets_;                       // by rule
  std::vector<std::pair<KeywordRule, Position>> placed_;  // the rules and where they stand, while they are read
  std::optional<EndpointId> fallback_;
  std::string fallback_name_;
  TextMap<EndpointId> applications_;  // by name
  TextMap<EndpointId> transports_;    // by from_addr
  OutboundMemory memory_;
  std::vector<Route> routes_;
};

std::unique_ptr<Router> make_content_keyword_router(RouterSetup& setup) {
  return std::make_unique<ContentKeywordRouter>(setup);
}

}  // namespace

RouterClass content_keyword_router() {
  return {.name = "ContentKeywordRouter",
          .make = make_content_keyword_router,
          .keys = {"rules", "keyword_mappings", "fallback_application", "transport_mappings", "dispatcher_name"},
          .list_names = nullptr};
}

}  // namespace signalbox
