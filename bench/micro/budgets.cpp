#include "bench/micro/budgets.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace signalbox::bench {
namespace {

void line(const std::string& what, double ratio, const char* bound, const char* verdict) {
  std::printf("  %-78s %7.3f  (%s)  %s\n", what.c_str(), ratio, bound, verdict);
}
void judge(const std::string& what, double ratio, const char* bound, bool met) {
  line(what, ratio, bound, met ? "met" : "NOT MET");
}
void show(const std::string& what, double ratio) {
  line(what, ratio, "shown", "");
}

void print_cost(const Figures& figures) {
  const double unpack = figures.nanoseconds("unpack/424");
  const double view = figures.nanoseconds("view/424");
  const double core = figures.nanoseconds("core/424/150");
  if (unpack > 0 && view > 0)
    judge("message view, 424 bytes: times as fast as unpack", unpack / view, "at least 8", unpack / view >= 8);
  if (unpack > 0 && core > 0)
    judge("core, 424 bytes, batches of 150: of one unpack", core / unpack, "at most 0.3", core / unpack <= 0.3);
  // Once warm. Traffic spread over thousands of endpoints is still making room for each when it is measured.
  double of_core = -1;
  double of_type = -1;
  for (const auto& [name, figure] : figures.all()) {
    if (name.starts_with("core/")) of_core = std::max(of_core, figure.allocations);
    if (name.starts_with("message_") && !name.ends_with("_msgpack")) of_type = std::max(of_type, figure.allocations);
  }
  if (of_core >= 0) judge("core: heap allocations for each message, at most", of_core, "0", of_core < 0.0001);
  if (of_type >= 0) judge("message type: heap allocations for each message, at most", of_type, "2", of_type <= 2);
}

void print_growth(const Figures& figures) {
  const double few = figures.nanoseconds("growth/20/0/10");
  if (few <= 0) return;
  for (const auto& [name, what] :
       {std::pair("growth/10000/0/10", "core: 10,000 endpoints and rules, of the time with 20, same ten at work"),
        std::pair("growth/10000/1000/10", "the same, and 1,000 idle workers")}) {
    const double many = figures.nanoseconds(name);
    if (many > 0) judge(what, many / few, "at most 1.3", many / few <= 1.3);
  }
  if (const double spread = figures.nanoseconds("growth/10000/0/5000"); spread > 0)
    show("10,000 endpoints, traffic on all of them in turn", spread / few);
  const double one = figures.nanoseconds("instances/424/1");
  const double thousand = figures.nanoseconds("instances/424/1000");
  if (one > 0 && thousand > 0) show("1,000 workers share one application, of the time of one", thousand / one);
}

// The message is read, routed and remembered once; what a further target adds is a copy in one more queue. Shown beside
// the budget: what it adds, of what one message takes without those three; and the bytes alone.
void print_fan_out(const Figures& figures) {
  const double one = figures.nanoseconds("fan_out/424/1");
  const double ten = figures.nanoseconds("fan_out/424/10");
  if (one <= 0 || ten <= 0) return;
  judge("fan-out to 10: of the time of ten messages", ten / one / 10, "below 1", ten < 10 * one);
  if (const double copy = figures.nanoseconds("queue/424"); copy > 0) {
    const double bound = one + 10 * copy;
    judge("fan-out to 10: of one message and ten copies in a queue", ten / bound, "at most 1", ten <= bound);
  }
  const double routed = figures.nanoseconds("route_simple/10");  // the view of it included
  const double remembered = figures.nanoseconds("remember_prefetched/4");
  if (routed > 0 && remembered > 0 && one > routed + remembered)
    show("a further target, of what is left of a message once it is remembered",
         (ten - one) / 9 / (one - routed - remembered));
  if (const double bytes = figures.nanoseconds("floor_copies/424/10"); bytes > 0)
    show("fan-out to 10: of copying the bytes to ten places", ten / bytes);
}

void print_memory(const Figures& figures) {
  for (const auto& [name, what, bound] :
       {std::tuple("memory_remembered", "memory: bytes for a remembered message", "at most 16"),
        std::tuple("memory_queued", "memory: heap of the bytes that wait in a queue", "at most 1.1"),
        std::tuple("memory_idle_endpoints", "memory: MiB for 10,000 idle endpoints", "at most 32"),
        std::tuple("memory_quiet_connection", "memory: bytes for a quiet connection, libzmq's left out",
                   "at most 2048")}) {
    const auto found = figures.weights().find(name);
    if (found == figures.weights().end()) continue;
    judge(what, found->second.used, bound, found->second.used <= found->second.budget);
  }
}

// Beside what others would use; at 4 million entries, more than the caches hold.
void print_routing_memory(const Figures& figures) {
  for (const char* const ending : {"_locked_map", "_tbb"}) {
    for (const char* const row : {"find_known", "find_unknown", "remember"}) {
      const double ours = figures.nanoseconds(std::string(row) + "/4");
      const double theirs = figures.nanoseconds(std::string(row) + ending + "/4");
      if (ours <= 0 || theirs <= 0) continue;
      show(std::string("routing memory, ") + row + ": times as fast as " + (ending + 1), theirs / ours);
    }
  }
}

// Routing decisions beside SimpleDispatchRouter's, and with ten thousand rules beside ten.
void print_routers(const Figures& figures) {
  const double simple = figures.nanoseconds("route_simple/10");
  const double match = figures.nanoseconds("re2_match");
  for (const auto& [name, figure] : figures.all()) {
    if (!name.starts_with("route_") || !name.ends_with("/10")) continue;
    const bool has_patterns = name.starts_with("route_patterns");
    const double few = figure.nanoseconds;
    const double many = figures.nanoseconds(name + "000");
    if (simple > 0 && has_patterns && match > 0) {
      const double bound = simple + 10 * match;
      judge(name + ": of Simple and 10 RE2 matches", few / bound, "at most 1", few <= bound);
    } else if (simple > 0 && !has_patterns && few != simple) {
      judge(name + ": of Simple", few / simple, "at most 1.5", few / simple <= 1.5);
    }
    if (many <= 0) continue;
    const double bound = has_patterns ? 20 : 2;
    judge(name + "000: of the time with 10 rules", many / few, has_patterns ? "at most 20" : "at most 2",
          many / few <= bound);
  }
}

// No text makes an expression slow: 64 KiB take 16 times what 4 KiB take, and the noise of that.
void print_hostile(const Figures& figures) {
  double worst = 0;
  for (const auto& [name, figure] : figures.all()) {
    if (!name.starts_with("hostile_") || !name.ends_with("/4096")) continue;
    const double long_text = figures.nanoseconds(name.substr(0, name.size() - 4) + "65536");
    if (long_text > 0) worst = std::max(worst, long_text / figure.nanoseconds / 16);
  }
  if (worst > 0) judge("hostile expressions: time for each byte, 64 KiB of 4 KiB", worst, "at most 2", worst <= 2);
}

}  // namespace

void print_budgets(const Figures& figures) {
  std::printf("\nbudgets\n");
  print_cost(figures);
  print_growth(figures);
  print_fan_out(figures);
  print_memory(figures);
  print_routing_memory(figures);
  print_routers(figures);
  print_hostile(figures);
}

}  // namespace signalbox::bench
