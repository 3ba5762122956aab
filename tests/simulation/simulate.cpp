// The simulator by hand: `simulate --seed S --steps N --runs K` runs K seeds from S on, and prints the first that
// fails.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "tests/simulation/simulation.hpp"

int main(int argument_count, char** arguments) {
  using namespace signalbox::simulation;
  uint64_t seed = std::random_device()();
  uint64_t steps = 10'000;
  uint64_t runs = 1;
  uint64_t trace_from = UINT64_MAX;
  Installation installation = Installation::one_dispatcher;
  for (int i = 1; i < argument_count; i += 2) {
    const char* const text = i + 1 < argument_count ? arguments[i + 1] : nullptr;
    const uint64_t value = text != nullptr ? std::strtoull(text, nullptr, 10) : 0;
    if (text != nullptr && std::strcmp(arguments[i], "--seed") == 0) {
      seed = value;
    } else if (text != nullptr && std::strcmp(arguments[i], "--steps") == 0) {
      steps = value;
    } else if (text != nullptr && std::strcmp(arguments[i], "--runs") == 0) {
      runs = value;
    } else if (text != nullptr && std::strcmp(arguments[i], "--trace") == 0) {
      trace_from = value;
    } else if (text != nullptr && std::strcmp(arguments[i], "--several") == 0) {
      installation = value != 0 ? Installation::several_dispatchers : Installation::one_dispatcher;
    } else {
      std::fprintf(stderr, "usage: simulate [--seed S] [--steps N] [--runs K] [--trace T] [--several 0|1]\n");
      return 2;
    }
  }
  signalbox::simulation::print_journal_on_abort();
  std::printf("seed %llu, %llu steps, %llu runs\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(steps), static_cast<unsigned long long>(runs));
  const auto start = std::chrono::steady_clock::now();
  uint64_t delivered = 0;
  uint64_t dead = 0;
  for (uint64_t run = 0; run < runs; ++run) {
    Simulation simulation(seed + run, steps, PlantedLie::none, installation);
    simulation.trace_from(trace_from);
    if (!simulation.run()) {
      std::fputs(simulation.report().c_str(), stderr);
      return 1;
    }
    delivered += simulation.model().delivered();
    dead += simulation.model().dead();
  }
  const std::chrono::duration<double> span = std::chrono::steady_clock::now() - start;
  std::printf("all promises kept: %llu deliveries, %llu dead letters, %.0f steps a second\n",
              static_cast<unsigned long long>(delivered), static_cast<unsigned long long>(dead),
              static_cast<double>(runs * steps) / span.count());
  return 0;
}
