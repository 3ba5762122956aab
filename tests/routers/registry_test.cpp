#include "routers/registry.hpp"

#include <gtest/gtest.h>

namespace signalbox {
namespace {

using Names = std::vector<std::string>;

TEST(RouterRegistry, FindsByNameAndByModulePath) {
  const RouterRegistry registry;
  const RouterClass* simple = registry.find("SimpleDispatchRouter");
  ASSERT_NE(simple, nullptr);
  EXPECT_EQ(simple->name, "SimpleDispatchRouter");
  EXPECT_EQ(registry.find("vumi.dispatchers.SimpleDispatchRouter"), simple);
  EXPECT_EQ(registry.find("my own/module.SimpleDispatchRouter"), simple);
}

TEST(RouterRegistry, FindsNothingElse) {
  const RouterRegistry registry;
  for (const char* name : {"", ".", "SimpleDispatchRouter.", "simpledispatchrouter", "XSimpleDispatchRouter"}) {
    EXPECT_EQ(registry.find(name), nullptr) << name;
  }
}

TEST(RouterRegistry, ReplacesOneOfTheSameName) {
  RouterRegistry registry;
  const size_t count = registry.all().size();
  registry.add({.name = "SimpleDispatchRouter", .make = nullptr, .keys = {"mine"}, .list_names = nullptr});
  EXPECT_EQ(registry.all().size(), count);
  EXPECT_EQ(registry.find("SimpleDispatchRouter")->keys, Names{"mine"});
  registry.add({.name = "MyRouter", .make = nullptr, .keys = {}, .list_names = nullptr});
  EXPECT_EQ(registry.all().size(), count + 1);
}

TEST(RouterRegistry, KnowsWhoseAKeyIs) {
  RouterRegistry registry;
  EXPECT_EQ(registry.readers_of("toaddr_mappings"), Names{"ToAddrRouter"});
  EXPECT_EQ(registry.readers_of("routing_mappings"),
            (Names{"SimpleDispatchRouter", "TransportToTransportRouter", "UserGroupingRouter"}));
  EXPECT_EQ(registry.readers_of("routing_mapping"), Names{});
  registry.add({.name = "MyRouter", .make = nullptr, .keys = {"toaddr_mappings"}, .list_names = nullptr});
  EXPECT_EQ(registry.readers_of("toaddr_mappings"), (Names{"ToAddrRouter", "MyRouter"}));
}

TEST(RouterRegistry, HasAllTwelve) {
  Names names;
  const RouterRegistry registry;
  for (const RouterClass& known : registry.all()) names.push_back(known.name);
  EXPECT_EQ(names,
            (Names{"SimpleDispatchRouter", "TransportToTransportRouter", "ToAddrRouter", "FromAddrMultiplexRouter",
                   "UserGroupingRouter", "ContentKeywordRouter", "RedirectRouter", "RedirectOutboundRouter",
                   "LoadBalancingRouter", "RoutingTableDispatcher", "ToAddressRouter", "FromAddressRouter"}));
}

}  // namespace
}  // namespace signalbox
