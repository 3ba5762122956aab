// What the tables are called that routers keep their state in: a durable or a shared store finds them by these names,
// so no two dispatchers may have one by chance.
#include <gtest/gtest.h>

#include "tests/routers/router_harness.hpp"
#include "tests/routers/setup_with_store.hpp"

namespace signalbox::testing {
namespace {

// Notes the names, and keeps things in memory.
class NamingStore final : public StateStore {
 public:
  std::unique_ptr<StateTable> open(StateTableSettings settings) override {
    names.push_back(settings.name);
    return memory_->open(std::move(settings));
  }
  uint64_t evicted() const override { return memory_->evicted(); }
  void take_over(StateStore& before) override { memory_->take_over(before); }

  std::vector<std::string> names;

 private:
  std::unique_ptr<StateStore> memory_ = memory_state_store();
};

NamingStore* store = nullptr;  // makers of routers are plain functions

template <size_t which>
constexpr const char* router_name = which == 0 ? "ToAddressRouter" : "FromAddressRouter";

template <size_t which>
std::unique_ptr<Router> make(RouterSetup& setup) {
  SetupWithStore with_store(setup, *store);
  return RouterRegistry().find(router_name<which>)->make(with_store);
}

template <size_t which>
std::vector<std::string> tables_of(const std::string& first, const std::string& second) {
  RouterRegistry registry;
  RouterClass noting = *registry.find(router_name<which>);
  noting.make = make<which>;
  registry.add(noting);
  NamingStore naming;
  store = &naming;
  const std::string start = std::string("router_class = '") + router_name<which> + "'\nreply_tracking = false\n";
  const RouterHarness made("[[dispatcher]]\nname = 'one'\n" + start + first + "[[dispatcher]]\n" + start + second,
                           registry);
  return naming.names;
}

TEST(StateTables, AreNamedByDispatcher) {
  EXPECT_EQ(tables_of<0>("transport_names = ['s']\nto_address_mappings = []\ndefault_app = 'a'\n",
                         "transport_names = ['t']\nto_address_mappings = []\ndefault_app = 'b'\n"),
            (std::vector<std::string>{"one:to_address:message", "dispatcher2:to_address:message"}));
  EXPECT_EQ(tables_of<1>("channel = 's'\ndestinations = [{id = 'a', config = {regular_expression = '.'}}]\n",
                         "channel = 't'\ndestinations = [{id = 'b', config = {regular_expression = '.'}}]\n"),
            (std::vector<std::string>{"one:from_address:message", "dispatcher2:from_address:message"}));
}

}  // namespace
}  // namespace signalbox::testing
