#include "bench/micro/figures.hpp"

#include <cmath>
#include <cstdio>

namespace signalbox::bench {
namespace {

// FAMILY/ARGUMENTS, and the threads where there are several: as a filter would name it, but for how time was taken.
std::string name_of(const benchmark::BenchmarkReporter::Run& run) {
  std::string name = run.run_name.function_name;
  if (!run.run_name.args.empty()) name += "/" + run.run_name.args;
  if (run.threads > 1) name += "/threads:" + std::to_string(run.threads);
  return name;
}

double counter(const benchmark::BenchmarkReporter::Run& run, const char* name, double otherwise) {
  const auto found = run.counters.find(name);
  return found != run.counters.end() ? found->second.value : otherwise;
}

}  // namespace

bool Figures::ReportContext(const Context& context) {
  std::string line = std::to_string(context.cpu_info.num_cpus) + " processors";
  for (const auto& cache : context.cpu_info.caches) {
    if (cache.type == "Instruction") continue;
    line += ", L" + std::to_string(cache.level) + " " + std::to_string(cache.size / 1024) + " KiB";
  }
  std::printf("%s; others have just been using %.1f of them\n", line.c_str(),
              context.cpu_info.load_avg.empty() ? 0.0 : context.cpu_info.load_avg[0]);
  std::fflush(stdout);
  return true;
}

void Figures::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    const std::string name = name_of(run);
    if (run.error_occurred) {
      std::printf("%s: %s\n", name.c_str(), run.error_message.c_str());
      failed_ = true;
      continue;
    }
    const bool is_aggregate = run.run_type == Run::RT_Aggregate;
    if (is_aggregate && run.aggregate_name == "cv") {
      figures_[name].variation = counter(run, "items_per_second", -1);
      continue;
    }
    if (is_aggregate ? run.aggregate_name != "median" : run.repetitions > 1) continue;
    if (const double budget = counter(run, "budget", 0); budget > 0) {
      weights_[name] = {counter(run, "used", 0), budget};
      continue;
    }
    const double speed = counter(run, "items_per_second", 0);
    if (speed <= 0) continue;
    Figure& figure = figures_[name];
    figure.nanoseconds = 1e9 / speed;
    figure.bytes = counter(run, "bytes_per_second", 0) / speed;
    figure.allocations = counter(run, "allocations", -1);
    figure.floor = run.report_label;
  }
}

double Figures::nanoseconds(const std::string& name) const {
  const auto found = figures_.find(name);
  return found != figures_.end() ? found->second.nanoseconds : 0;
}

double Figures::unpack_of(const std::string& name, const Figure& figure) const {
  if (name.starts_with("floor_") || name.starts_with("hostile_")) return 0;
  if (figure.bytes <= 0) return nanoseconds("unpack/424");
  const double of_bytes = nanoseconds("unpack/" + std::to_string(std::lround(figure.bytes)));
  // Messages of many sizes have a name instead.
  return of_bytes > 0 ? of_bytes : nanoseconds("unpack/" + name.substr(name.find('/') + 1));
}

void Figures::print() const {
  const auto ratio = [](double part, double whole, int decimals) {
    part > 0 && whole > 0 ? std::printf(" %9.*f", decimals, part / whole) : std::printf(" %9s", "-");
  };
  std::printf("\n%-34s %10s %6s %13s %8s %9s %9s %6s  %s\n", "", "ns/message", "+- %", "messages/s", "MB/s",
              "of unpack", "of floor", "allocs", "floor");
  for (const auto& [name, figure] : figures_) {
    if (figure.nanoseconds <= 0) continue;
    std::printf("%-34s %10.1f", name.c_str(), figure.nanoseconds);
    figure.variation >= 0 ? std::printf(" %6.1f", 100 * figure.variation) : std::printf(" %6s", "-");
    std::printf(" %13.0f", 1e9 / figure.nanoseconds);
    figure.bytes > 0 ? std::printf(" %8.0f", 1e3 * figure.bytes / figure.nanoseconds) : std::printf(" %8s", "-");
    ratio(figure.nanoseconds, unpack_of(name, figure), 3);
    ratio(figure.nanoseconds, nanoseconds(figure.floor), 1);
    figure.allocations >= 0 ? std::printf(" %6.2f", figure.allocations) : std::printf(" %6s", "-");
    std::printf("  %s\n", figure.floor.c_str());
  }
}

}  // namespace signalbox::bench
