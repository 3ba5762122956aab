// The rings: the growing one of a single thread, and the bounded one from a thread to another. Elements of three words,
// as a descriptor of some bytes would be; sixteen go in, sixteen come out.
//
//   ring, handover_ring          both ends on one thread
//   handover_ring/threads:2      one thread pushes, another pops: the time between two elements
//   handed_over                  one element there and back over two rings, halved: what a lone one waits
#include "broker/core/ring.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <thread>

#include "bench/micro/measured.hpp"
#include "bench/micro/rows.hpp"
#include "broker/core/handover_ring.hpp"

namespace signalbox::bench {
namespace {

struct Element {
  uint64_t number = 0;
  const char* bytes = nullptr;
  uint64_t size = 0;
};

constexpr size_t group = 16;
constexpr size_t capacity = 1024;

// The least of it: the same elements written to an array and read from there.
void floor_slot(benchmark::State& state) {
  std::array<Element, capacity> slots;
  size_t at = 0;
  const Measured measured(state, {.messages = group});
  for (auto _ : state) {
    for (size_t i = 0; i < group; ++i) slots[(at + i) % capacity] = Element{i, nullptr, i};
    benchmark::ClobberMemory();
    for (size_t i = 0; i < group; ++i) benchmark::DoNotOptimize(Element(slots[(at + i) % capacity]));
    at += group;
  }
}
BENCHMARK(floor_slot);

void ring(benchmark::State& state) {
  Ring<Element> ring;
  const Measured measured(state, {.messages = group, .floor = "floor_slot"});
  for (auto _ : state) {
    for (size_t i = 0; i < group; ++i) ring.push_back({i, nullptr, i});
    for (size_t i = 0; i < group; ++i) {
      benchmark::DoNotOptimize(ring.front());
      ring.pop_front();
    }
  }
}
BENCHMARK(ring);

// Waits for what another thread does. It gives its turn away in between: this machine may have something else to do.
template <typename Done>
void wait_until(const Done& done) {
  for (size_t tries = 1; !done(); ++tries)
    if (tries % 256 == 0) std::this_thread::yield();
}

void push(HandoverRing<Element>& ring, uint64_t number) {
  wait_until([&] { return ring.try_push({number, nullptr, number}); });
}
uint64_t pop(HandoverRing<Element>& ring) {
  Element element;
  wait_until([&] { return ring.try_pop(element); });
  return element.number;
}

void handover_ring(benchmark::State& state) {
  static HandoverRing<Element> ring(capacity);
  const bool is_alone = state.threads() == 1;
  const bool pushes = state.thread_index() == 0;
  bool is_sound = true;
  {
    // The one that pops has the same number of iterations, and none of the messages: they would count twice.
    const Measured measured(state, {.messages = pushes ? group : 0, .floor = "floor_slot"});
    for (auto _ : state) {
      for (size_t i = 0; pushes && i < group; ++i) push(ring, i);
      for (size_t i = 0; (is_alone || !pushes) && i < group; ++i) is_sound = pop(ring) == i && is_sound;
    }
  }
  if (!is_sound) state.SkipWithError("an element came out of turn");
}
BENCHMARK(handover_ring);

// A line of memory written by one core and seen by another.
void floor_line_handed(benchmark::State& state) {
  alignas(64) static std::atomic<uint64_t> turn{0};
  const auto mine = static_cast<uint64_t>(state.thread_index());
  const Measured measured(state, {.messages = mine == 0 ? 2u : 0u});
  for (auto _ : state) {
    wait_until([&] { return turn.load(std::memory_order_acquire) == mine; });
    turn.store(1 - mine, std::memory_order_release);
  }
}

void handed_over(benchmark::State& state) {
  static HandoverRing<Element> there(capacity);
  static HandoverRing<Element> back(capacity);
  const bool asks = state.thread_index() == 0;
  uint64_t number = 0;
  bool is_sound = true;
  {
    const Measured measured(state, {.messages = asks ? 2u : 0u, .floor = "floor_line_handed/threads:2"});
    for (auto _ : state) {
      if (asks) {
        push(there, ++number);
        is_sound = pop(back) == number && is_sound;
      } else {
        push(back, pop(there));
      }
    }
  }
  if (!is_sound) state.SkipWithError("an element came out of turn");
}

}  // namespace

void register_rings(int threads_max) {
  if (threads_max < 2) return;
  const auto add = [](const char* name, void (*function)(benchmark::State&)) {
    benchmark::RegisterBenchmark(name, function)->Threads(2)->UseRealTime();
  };
  add("handover_ring", handover_ring);
  add("handed_over", handed_over);
  add("floor_line_handed", floor_line_handed);
}

}  // namespace signalbox::bench
