// What the core may cost in memory: no heap allocation for a message in steady state, and the budgets for what is
// queued, remembered, registered or merely configured.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "bench/allocations.hpp"
#include "bench/core_harness.hpp"
#include "broker/core/routing_memory.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SIGNALBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SIGNALBOX_SANITIZED 1
#endif
#endif

namespace signalbox::bench {
namespace {

constexpr uint64_t small_routing_memory_bytes = limits::mebibyte;

// A sanitizer brings a heap of its own, which keeps no books that malloc's callers can read.
bool heap_has_books() {
#ifdef SIGNALBOX_SANITIZED
  return false;
#else
  return true;
#endif
}

struct LoadCase {
  size_t message_bytes;
  size_t batch;
};

class SteadyState : public testing::TestWithParam<LoadCase> {};

TEST_P(SteadyState, AllocatesNothingForAMessage) {
  constexpr size_t messages = 100'000;
  CoreShape shape;
  shape.message_bytes = GetParam().message_bytes;
  shape.routing_memory_bytes = small_routing_memory_bytes;
  CoreHarness core(shape);
  const auto turns = [&](size_t count) {
    for (size_t i = 0; i < count; i += GetParam().batch) {
      core.send(0, GetParam().batch);
      core.flush();
    }
  };
  turns(20'000);
  const uint64_t before = allocation_count();
  turns(messages);
  const uint64_t allocations = allocation_count() - before;
  core.settle();
  EXPECT_TRUE(core.flawless());
  EXPECT_EQ(allocations, 0u) << "in " << messages << " messages";
  core.core().check_invariants();
}

std::string name_of(const testing::TestParamInfo<LoadCase>& load) {
  return std::to_string(load.param.message_bytes) + "BytesBy" + std::to_string(load.param.batch);
}

INSTANTIATE_TEST_SUITE_P(Batches, SteadyState,
                         testing::Values(LoadCase{vumi_message_bytes, 1}, LoadCase{vumi_message_bytes, 16},
                                         LoadCase{vumi_message_bytes, 150}, LoadCase{small_message_bytes, 1},
                                         LoadCase{small_message_bytes, 1000}),
                         name_of);

// Two dispatchers in a chain, each of which changes every message: the first router rewrites transport_name, the second
// also pushes on a list, and middleware sets a field on every pass.
constexpr std::string_view chain = R"(
[[dispatcher]]
name = "near"
router_class = "RedirectRouter"
transport_names = ["smpp"]
exposed_names = ["hub"]
redirect_inbound = {smpp = "hub"}
middleware = [{provider = "StaticProviderSettingMiddleware"}]
provider = {provider = "acme"}
[[dispatcher]]
name = "far"
router_class = "LoadBalancingRouter"
transport_names = ["hub"]
exposed_names = ["app"]
middleware = [{provider = "StaticProviderSettingMiddleware"}]
provider = {provider = "other"}
)";

// A core with that chain, a worker at each end, and nothing kept of what comes out.
class ChainHarness final : public Output {
 public:
  explicit ChainHarness(const std::string& text) : message_(vumi_message()) {
    ConfigurationResult result = read_configuration(text, RouterRegistry());
    if (!result.configuration) throw std::runtime_error(to_line("chain", result.faults.front()));
    Settings settings = std::move(result.configuration->settings);
    settings.routing_memory_bytes = small_routing_memory_bytes;
    core_ = std::make_unique<Core>(std::move(settings), *this);
    hello(0, Role::transport, transport_name);
    hello(1, Role::application, application_name);
  }

  // Sends a batch, hands it out, and settles it.
  void turn(size_t count) {
    write_batch(body_, message_, sent_, count);
    write(header_, Send{sent_ + 1});
    sent_ += count;
    core_->frame(0, {}, header_, body_, 2, now_);
    core_->flush(now_);
    write_ack(header_, delivered_);
    core_->frame(1, {}, header_, {}, 1, now_);
    core_->flush(now_);
  }
  uint64_t sent() const { return sent_; }
  uint64_t delivered() const { return delivered_; }
  Core& core() { return *core_; }

  Result send(ConnectionId, Bytes, Run body) override {
    for (Bytes rest = body.bytes(); !rest.empty(); ++delivered_) rest.remove_prefix(map_bytes(rest).value());
    return Result::sent;
  }

 private:
  void hello(ConnectionId from, Role role, Bytes endpoint) {
    Hello frame;
    frame.role = role;
    frame.name = endpoint;
    frame.prefetch = limits::send_window_messages;
    write(header_, frame);
    core_->frame(from, {}, header_, {}, 1, now_);
  }

  const Message message_;
  const Time now_{1'000'000, 1'700'000'000'000'000};
  std::string header_;
  std::string body_;
  uint64_t sent_ = 0;
  uint64_t delivered_ = 0;
  std::unique_ptr<Core> core_;
};

TEST(SteadyStateOfAChain, AllocatesNothingForAMessageThatEveryDispatcherChanges) {
  ChainHarness chained(std::string{chain});
  for (size_t i = 0; i < 2000; ++i) chained.turn(16);
  const uint64_t before = allocation_count();
  for (size_t i = 0; i < 5000; ++i) chained.turn(16);
  EXPECT_EQ(allocation_count() - before, 0u) << "in 80,000 messages";
  EXPECT_EQ(chained.delivered(), chained.sent());
  chained.core().check_invariants();
}

TEST(AllocationCount, SeesWhatIsAllocated) {
  const uint64_t before = allocation_count();
  const auto text = std::make_unique<std::string>(1000, 'x');
  void* volatile block = std::malloc(10);
  std::free(block);
  EXPECT_EQ(allocation_count() - before, 3u) << text->size();
}

// 100,000 messages wait, then are settled in order: at each point the memory is within 1.1 times their bytes.
TEST(MemoryBudget, QueuedBytes) {
  constexpr size_t messages = 100'000;
  constexpr size_t batch = 100;
  CoreShape shape;
  shape.routing_memory_bytes = small_routing_memory_bytes;
  shape.prefetch = 0;
  CoreHarness core(shape);
  const uint64_t before = heap_bytes();
  for (size_t i = 0; i < messages; i += batch) {
    core.send(0, batch);
    core.flush();
  }
  ASSERT_EQ(core.delivered(0), 0u);
  const double queued_bytes = static_cast<double>(messages * vumi_message_bytes);
  if (heap_has_books()) {
    EXPECT_LE(static_cast<double>(heap_bytes() - before), 1.1 * queued_bytes);
  }
  EXPECT_LE(static_cast<double>(core.core().queue_memory_bytes()), 1.1 * queued_bytes);

  core.set_prefetch(0, 1000);
  for (core.flush(); core.delivered(0) < messages / 2; core.flush()) ASSERT_TRUE(core.acknowledge(0));
  core.acknowledge(0);
  const double left_bytes = static_cast<double>((messages - core.delivered(0)) * vumi_message_bytes);
  // One block partly settled at the head, one partly filled at the tail.
  const double ends = 2.0 * static_cast<double>(limits::segment_bytes_max);
  EXPECT_LE(static_cast<double>(core.core().queue_memory_bytes()), 1.1 * left_bytes + ends);

  core.flush();
  core.settle();
  EXPECT_TRUE(core.flawless());
}

TEST(MemoryBudget, TenThousandIdleEndpoints) {
  if (!heap_has_books()) GTEST_SKIP() << "a sanitizer's heap keeps no books";
  CoreShape shape;
  shape.pairs = 5000;
  shape.active = 0;
  shape.routing_memory_bytes = small_routing_memory_bytes;
  const uint64_t before = heap_bytes();
  const CoreHarness core(shape);
  EXPECT_LE(heap_bytes() - before, 32 * limits::mebibyte);
}

TEST(MemoryBudget, QuietConnections) {
  if (!heap_has_books()) GTEST_SKIP() << "a sanitizer's heap keeps no books";
  constexpr size_t workers = 10'000;
  CoreShape shape;
  shape.routing_memory_bytes = small_routing_memory_bytes;
  uint64_t before = heap_bytes();
  const CoreHarness few(shape);
  const uint64_t without = heap_bytes() - before;
  shape.idle_workers = workers;
  before = heap_bytes();
  CoreHarness many(shape);
  const uint64_t with = heap_bytes() - before;
  ASSERT_EQ(many.core().registrations(), workers + 2);
  EXPECT_LE((with - without) / workers, 2 * limits::kibibyte);
}

TEST(MemoryBudget, RoutingMemory) {
  RoutingMemory memory(small_routing_memory_bytes, {});
  EXPECT_EQ(memory.entries_max(), small_routing_memory_bytes / 16);
  // Half full, nearly everything finds room; three in four still do at the full number.
  std::array<size_t, 2> found{};
  const std::array<size_t, 2> filled{memory.entries_max() / 2, memory.entries_max()};
  std::string id(32, '0');
  const auto key = [&](size_t number) {
    write_hexadecimal(id.data(), id.size(), number);
    return memory.key(0, RoutingMemory::Direction::inbound, id);
  };
  for (size_t step = 0, number = 0; step < filled.size(); ++step) {
    for (; number < filled[step]; ++number) memory.remember(key(number), {1, 0}, 1000, 1000);
    for (size_t i = 0; i < number; ++i) found[step] += memory.find(key(i), 1000).has_value();
  }
  EXPECT_GE(found[0], filled[0] * 99 / 100);
  EXPECT_GE(found[1], filled[1] * 75 / 100);
}

}  // namespace
}  // namespace signalbox::bench
