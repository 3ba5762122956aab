// What an in-process endpoint asks of the heap for a message: nothing, once it is warm.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "bench/allocations.hpp"
#include "bench/messages.hpp"
#include "broker/broker.hpp"
#include "broker/clock.hpp"
#include "broker/local_endpoint.hpp"
#include "broker/setting_builder.hpp"

namespace signalbox::bench {
namespace {

Configuration configuration() {
  Configuration built =
      accepted(read_configuration(table({{"router_class", "SimpleDispatchRouter"},
                                         {"transport_names", list({transport_name})},
                                         {"exposed_names", list({application_name})},
                                         {"routing_mappings", table({{transport_name, application_name}})},
                                         {"broker", table({{"routing_memory_bytes", limits::mebibyte}})}}),
                                  RouterRegistry()));
  built.endpoints.clear();
  return built;
}

enum class Way { handled, held };

class LocalSteadyState : public testing::TestWithParam<std::tuple<Way, uint32_t>> {};

TEST_P(LocalSteadyState, AllocatesNothingForAMessage) {
  const Way way = std::get<0>(GetParam());
  const uint32_t batch = std::get<1>(GetParam());
  constexpr size_t messages = 50'000;
  Broker broker(configuration());
  LocalEndpoint transport(broker, {.role = Role::transport, .name = std::string(transport_name)});
  LocalEndpoint application(broker, {.role = Role::application, .name = std::string(application_name)});
  const Message message = vumi_message();
  std::vector<Held> holding;
  holding.reserve(1000);
  size_t handled = 0;
  size_t confirmed = 0;
  application.on_message([&](const Delivery&) {
    ++handled;
    if (way == Way::held) holding.push_back(application.hold());
  });
  transport.on_confirmed([&](Seq upto) { confirmed = upto; });

  const Time now = read_clock();
  std::string body;
  size_t sent = 0;
  const auto send = [&](size_t count) {
    for (size_t i = 0; i < count; i += batch) {
      write_batch(body, message, sent, batch);
      ASSERT_TRUE(transport.send(body, batch));
      sent += batch;
      broker.do_work(now);
      // The oldest is kept back, so that the others are settled one by one behind it.
      while (holding.size() > 1) {
        application.ack(holding.back());
        holding.pop_back();
      }
    }
  };
  send(200'000);
  const uint64_t before = allocation_count();
  send(messages);
  const uint64_t allocations = allocation_count() - before;
  for (const Held& held : holding) application.ack(held);
  while (broker.do_work(now) > 0) continue;
  EXPECT_EQ(handled, sent);
  EXPECT_EQ(confirmed, sent);
  EXPECT_TRUE(broker.drained());
  EXPECT_EQ(allocations, 0u) << "in " << messages << " messages";
  broker.core().check_invariants();
}

INSTANTIATE_TEST_SUITE_P(Ways, LocalSteadyState,
                         testing::Combine(testing::Values(Way::handled, Way::held), testing::Values(1u, 50u)),
                         [](const auto& way) {
                           return std::string(std::get<0>(way.param) == Way::held ? "HeldBy" : "HandledBy") +
                                  std::to_string(std::get<1>(way.param));
                         });

}  // namespace
}  // namespace signalbox::bench
