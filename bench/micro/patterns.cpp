// Expressions with which engines that go back and try again take years, on texts made for them. The time must grow as
// the text does: a router's users write both.
#include "routers/patterns.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/micro/floors.hpp"
#include "bench/micro/measured.hpp"
#include "protocol/limits.hpp"

namespace signalbox::bench {
namespace {

const std::vector<std::string>& hostile_expressions() {
  static const std::vector<std::string> all = {
      "(a+)+$",         "(a|aa)+$", "(a|a)*$", "(.*a){12}b", "(a*)*b", "(x+x+)+y|(a+a+)+b", "(([a-z])+.)+[A-Z]$",
      "^(a?){40}a{40}$"};
  return all;
}

// One text against one expression, or against all of them in one set; the second argument is the text's length.
void hostile(benchmark::State& state, size_t first, size_t count) {
  Patterns patterns(Patterns::Match::at_start);
  for (size_t i = first; i < first + count; ++i) {
    if (!patterns.add(hostile_expressions()[i]).empty()) return state.SkipWithError("an expression does not compile");
  }
  patterns.prepare();
  std::string text(static_cast<size_t>(state.range(0)), 'a');
  text += '!';
  const size_t bytes = text.size() - 1;
  const size_t set_kib = bytes < batch_kib * limits::kibibyte ? batch_kib : 2 * batch_kib;
  const Measured measured(state, {.message_bytes = bytes, .floor = copy_floor(bytes, set_kib)});
  for (auto _ : state) benchmark::DoNotOptimize(patterns.first(text));
}

[[maybe_unused]] const bool registered = [] {
  const size_t all = hostile_expressions().size();
  const auto add = [](const std::string& name, size_t first, size_t count) {
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { hostile(state, first, count); })
        ->Arg(4 << 10)
        ->Arg(64 << 10);
  };
  for (size_t i = 0; i < all; ++i) add("hostile_" + std::to_string(i + 1), i, 1);
  add("hostile_set", 0, all);
  return true;
}();

}  // namespace
}  // namespace signalbox::bench
