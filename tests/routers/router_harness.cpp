#include "tests/routers/router_harness.hpp"

#include <stdexcept>

namespace signalbox::testing {

namespace {

class Bystanders final : public Surroundings {
 public:
  Bystanders(const Settings& settings, const std::optional<std::set<std::string>>& live)
      : settings_(settings), live_(live) {}
  bool has_live_worker(EndpointId endpoint) const override {
    return !live_ || live_->contains(settings_.endpoints[endpoint].name);
  }

 private:
  const Settings& settings_;
  const std::optional<std::set<std::string>>& live_;
};

class Notes final : public Trail {
 public:
  explicit Notes(std::vector<std::string>& notes) : notes_(notes) {}
  void note(std::string_view text) override { notes_.emplace_back(text); }

 private:
  std::vector<std::string>& notes_;
};

void ask(Router& router, const Incoming& incoming, Decision& decision) {
  switch (incoming.direction) {
    case Direction::inbound:
      return router.inbound(incoming, decision);
    case Direction::event:
      return router.event(incoming, decision);
    case Direction::outbound:
      return router.outbound(incoming, decision);
  }
}

}  // namespace

std::string encode(const Json& message) {
  const std::vector<uint8_t> packed = Json::to_msgpack(message);
  return {packed.begin(), packed.end()};
}

std::string encode(const Sample& sample) {
  Json message =
      sample.direction == Direction::event
          ? Json{{"message_type", "event"}, {"event_id", "e"}, {"event_type", "ack"}, {"user_message_id", "m"}}
          : Json{{"message_type", "user_message"}, {"message_id", "m"}};
  message.update(sample.fields);
  if (sample.transport_name) message["transport_name"] = *sample.transport_name;
  return encode(message);
}

RouterHarness::RouterHarness(std::string_view toml, const RouterRegistry& registry) {
  ConfigurationResult result = read_configuration(toml, registry);
  std::string faults;
  for (const Fault& fault : result.faults) faults += to_line("configuration", fault) + '\n';
  if (!result.configuration) throw std::runtime_error(faults);
  configuration_ = std::move(result.configuration);
}

EndpointId RouterHarness::id(std::string_view name) const {
  const auto& endpoints = configuration_->settings.endpoints;
  for (EndpointId id = 0; id < endpoints.size(); ++id) {
    if (endpoints[id].name == name) return id;
  }
  throw std::runtime_error("no endpoint " + std::string(name));
}

std::string RouterHarness::decide(const Sample& sample, std::vector<std::string>* trail) {
  bytes_ = encode(sample);
  MessageView view;
  if (view.scan(bytes_) != Scan::ok) throw std::runtime_error(std::string(view.fault()));

  std::string_view transport_name = view.text(Field::transport_name);
  if (sample.direction != Direction::outbound && !view.has(Field::transport_name)) transport_name = sample.from;
  std::optional<EndpointId> transport;
  const auto& endpoints = configuration_->settings.endpoints;
  for (EndpointId endpoint = 0; endpoint < endpoints.size(); ++endpoint) {
    if (endpoints[endpoint].role == Role::transport && endpoints[endpoint].name == transport_name) transport = endpoint;
  }
  std::optional<Followed> followed;
  if (!sample.followed.empty()) followed = Followed{.source = id(sample.followed), .tag = sample.tag};
  const Bystanders broker(configuration_->settings, sample.live);
  const Incoming incoming{.message = view,
                          .direction = sample.direction,
                          .sender = id(sample.from),
                          .transport_name = transport_name,
                          .transport = transport,
                          .followed = followed,
                          .now = sample.now,
                          .broker = broker};

  std::vector<std::string> unheard;
  Notes notes(trail != nullptr ? *trail : unheard);
  decision_.clear(trail != nullptr ? &notes : nullptr);
  ask(router(), incoming, decision_);
  if (!decision_.targets().empty()) router().taken(incoming);
  return describe();
}

Json RouterHarness::copy_for(size_t target) const {
  const Decision::Target& one = decision_.targets().at(target);
  std::string copy = bytes_;
  for (uint32_t i = 0; i < one.edit_count; ++i) (void)rewrite(copy, decision_.edits()[one.first_edit + i]);
  return Json::from_msgpack(copy);
}

std::string RouterHarness::describe() const {
  switch (decision_.verdict()) {
    case Decision::Verdict::none:
      return "nothing";
    case Decision::Verdict::refuse:
      return "refused " + std::string(to_string(decision_.refusal())) + ": " + decision_.reason();
    case Decision::Verdict::discard:
      return "discarded: " + decision_.reason();
    case Decision::Verdict::deliver:
      break;
  }
  std::string names;
  for (const Decision::Target& target : decision_.targets()) {
    if (!names.empty()) names += ", ";
    names += configuration_->settings.endpoints[target.endpoint].name;
    if (target.edit_count > 0) names += '*';
  }
  return names;
}

std::vector<std::string> RouterHarness::routes() const {
  std::vector<std::string> lines;
  for (const Route& route : configuration_->settings.dispatchers[0].router->routes()) {
    lines.push_back(route.what + " | " + route.from + " | " + route.condition + " | " + route.to + " | " +
                    route.rewrite);
  }
  return lines;
}

}  // namespace signalbox::testing
