#include "tests/routers/router_harness.hpp"

#include <stdexcept>

namespace signalbox::testing {

namespace {

class EverybodyThere final : public Surroundings {
 public:
  bool has_live_worker(EndpointId) const override { return true; }
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

std::string encode(const Sample& sample) {
  std::vector<std::pair<std::string, std::string>> fields;
  if (sample.direction == Direction::event) {
    fields = {{"message_type", "event"}, {"event_id", "e"}, {"event_type", "ack"}, {"user_message_id", "m"}};
  } else {
    fields = {{"message_type", "user_message"},
              {"message_id", "m"},
              {"from_addr", sample.from_addr},
              {"content", sample.content}};
  }
  if (sample.transport_name) fields.emplace_back("transport_name", *sample.transport_name);
  std::string bytes(1, static_cast<char>(0x80 | fields.size()));
  for (const auto& [key, value] : fields) {
    append_text(bytes, key);
    append_text(bytes, value);
  }
  return bytes;
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
  const std::string bytes = encode(sample);
  MessageView view;
  if (view.scan(bytes) != Scan::ok) throw std::runtime_error(std::string(view.fault()));

  std::string_view transport_name = view.text(Field::transport_name);
  if (sample.direction != Direction::outbound && !view.has(Field::transport_name)) transport_name = sample.from;
  std::optional<EndpointId> transport;
  const auto& endpoints = configuration_->settings.endpoints;
  for (EndpointId endpoint = 0; endpoint < endpoints.size(); ++endpoint) {
    if (endpoints[endpoint].role == Role::transport && endpoints[endpoint].name == transport_name) transport = endpoint;
  }
  std::optional<Followed> followed;
  if (!sample.followed.empty()) followed = Followed{.source = id(sample.followed), .tag = 0};
  const EverybodyThere broker;
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

}  // namespace signalbox::testing
