// What the tests of embedding share: a broker without a socket, worked by the test, in whatever time the test likes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.hpp"
#include "broker/clock.hpp"
#include "broker/local_endpoint.hpp"
#include "broker/setting_builder.hpp"
#include "protocol/message_view.hpp"
#include "tests/broker/harness.hpp"

namespace signalbox::test {

// The configuration of configuration_text(), built in code, with nothing to bind.
inline Configuration local_configuration(Setting broker = table(), Setting endpoint_defaults = table()) {
  set(broker, "routing_memory_bytes", 1048576);
  Configuration built = accepted(read_configuration(
      table(
          {{"router_class", "SimpleDispatchRouter"},
           {"transport_names", list({"smpp_transport", "xmpp_transport"})},
           {"exposed_names", list({"my_application", "other_application"})},
           {"routing_mappings", table({{"smpp_transport", "my_application"}, {"xmpp_transport", "other_application"}})},
           {"broker", broker},
           {"endpoint_defaults", endpoint_defaults}}),
      RouterRegistry()));
  built.endpoints.clear();
  return built;
}

// A broker that only this test's thread works, and whose time only the test moves.
class LocalBus {
 public:
  explicit LocalBus(Configuration configuration = local_configuration()) : broker(std::move(configuration)) {}

  std::unique_ptr<LocalEndpoint> transport(std::string name = "smpp_transport") {
    return std::make_unique<LocalEndpoint>(broker,
                                           LocalEndpointOptions{.role = Role::transport, .name = std::move(name)});
  }
  std::unique_ptr<LocalEndpoint> application(std::string name = "my_application",
                                             uint64_t prefetch = limits::default_prefetch) {
    return std::make_unique<LocalEndpoint>(
        broker, LocalEndpointOptions{.role = Role::application, .name = std::move(name), .prefetch = prefetch});
  }

  size_t turn() {
    const size_t work = broker.do_work(now);
    broker.core().check_invariants();
    return work;
  }
  // Turns until nothing is left to do at this time.
  void settle() {
    for (int turns = 0; turn() > 0 || broker.idle_ms(now) == 0; ++turns) {
      if (turns > 100'000) return ADD_FAILURE() << "it never comes to rest";
    }
  }
  void pass(uint64_t milliseconds) {
    now.monotonic_ms += milliseconds;
    now.wall_us += static_cast<int64_t>(milliseconds) * 1000;
    settle();
  }

  EndpointStatus status(std::string_view name) const {
    const std::vector<EndpointSettings>& endpoints = broker.core().settings().endpoints;
    for (EndpointId id = 0; id < endpoints.size(); ++id)
      if (endpoints[id].name == name) return broker.core().status(id);
    ADD_FAILURE() << "no endpoint " << name;
    return {};
  }

  Broker broker;
  Time now = read_clock();
};

inline std::string id_of(Bytes message) {
  MessageView view;
  EXPECT_EQ(view.scan(message), Scan::ok);
  return std::string(view.text(Field::message_id));
}

// What a handler was called for, in order.
struct Heard {
  std::string id;
  Seq seq = 0;
  bool redelivered = false;

  friend bool operator==(const Heard&, const Heard&) = default;
};

inline std::ostream& operator<<(std::ostream& out, const Heard& heard) {
  return out << heard.id << " as " << heard.seq << (heard.redelivered ? " again" : "");
}

// A handler that only notes.
inline auto note_in(std::vector<Heard>& heard) {
  return [&heard](const Delivery& delivery) {
    heard.push_back({id_of(delivery.bytes), delivery.seq, delivery.redelivered});
  };
}

}  // namespace signalbox::test
