#include "tests/simulation/shrinking.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>

#include "tests/simulation/simulation.hpp"

namespace signalbox::simulation {
namespace {

constexpr int exit_code_of_fault = 10;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::abort();
}

// Memory that a process and its child both see: so what a run noted survives the run's death.
class SharedNotes {
 public:
  explicit SharedNotes(size_t steps) : bytes_(sizeof(RunNotes) + steps * sizeof(Random)) {
    memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) give_up("mmap");
    notes_ = new (memory_) RunNotes;
    notes_->starts = reinterpret_cast<Random*>(notes_ + 1);
    notes_->starts_max = steps;
  }
  ~SharedNotes() { ::munmap(memory_, bytes_); }
  SharedNotes(const SharedNotes&) = delete;
  SharedNotes& operator=(const SharedNotes&) = delete;

  RunNotes& operator*() { return *notes_; }
  RunNotes* operator->() { return notes_; }

 private:
  const size_t bytes_;
  void* memory_ = nullptr;
  RunNotes* notes_ = nullptr;
};

// The words of a fault: without numbers, addresses, and what stands in brackets.
std::string kind_of(std::string_view text) {
  std::string kind;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "0x") {
      while (i + 1 < text.size() && text[i + 1] != ' ') ++i;
      continue;
    }
    if (text[i] == '(') ++depth;
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (depth == 0 && !digit) kind += text[i];
    if (text[i] == ')' && depth > 0) --depth;
  }
  return kind;
}

// The first line that says something.
std::string_view first_words(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (std::ranges::any_of(line, [](char c) { return c >= 'a' && c <= 'z'; })) return line;
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return "no words";
}

// In the child: everything that the run has to say goes into the pipe.
[[noreturn]] void run_in_child(const Plan& plan, RunNotes& notes, int pipe_end) {
  ::dup2(pipe_end, STDERR_FILENO);
  print_journal_on_abort();
  Simulation simulation(plan);
  simulation.note_in(notes);
  if (simulation.run()) ::_exit(0);
  const std::string text = simulation.fault() + "\n" + simulation.report();
  for (size_t at = 0; at < text.size();) {
    const ssize_t wrote = ::write(pipe_end, text.data() + at, text.size() - at);
    if (wrote <= 0) break;
    at += static_cast<size_t>(wrote);
  }
  ::_exit(exit_code_of_fault);
}

// What a child did: its exit status, and everything that it said.
struct Apart {
  int status = 0;
  std::string text;
};

template <typename Function>
Apart apart(Function&& in_child) {
  int ends[2];
  if (::pipe(ends) != 0) give_up("pipe");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    ::close(ends[0]);
    in_child(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  Apart result;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    result.text.append(buffer, static_cast<size_t>(got));
  ::close(ends[0]);
  if (::waitpid(child, &result.status, 0) != child) give_up("waitpid");
  return result;
}

bool went_well(const Apart& child) {
  return WIFEXITED(child.status) && WEXITSTATUS(child.status) == 0;
}

RunResult run_noting(const Plan& plan, SharedNotes& notes) {
  const Apart child = apart([&](int pipe_end) { run_in_child(plan, *notes, pipe_end); });
  RunResult result;
  result.step = notes->step;
  if (went_well(child)) return result;
  result.failed = true;
  result.kind = kind_of(first_words(child.text));
  const bool told = WIFEXITED(child.status) && WEXITSTATUS(child.status) == exit_code_of_fault;
  result.report = told ? child.text.substr(child.text.find('\n') + 1) : child.text;
  return result;
}

// One try: the plan with these steps only.
RunResult try_steps(const Plan& plan, std::vector<KeptStep> steps) {
  Plan shorter = plan;
  shorter.kept = std::move(steps);
  return run_apart(shorter);
}

std::vector<KeptStep> without(const std::vector<KeptStep>& steps, size_t from, size_t count) {
  std::vector<KeptStep> fewer(steps.begin(), steps.begin() + static_cast<ptrdiff_t>(from));
  fewer.insert(fewer.end(), steps.begin() + static_cast<ptrdiff_t>(std::min(from + count, steps.size())), steps.end());
  return fewer;
}

// Nothing behind the step that failed has a part in it.
void cut_behind(std::vector<KeptStep>& steps, uint64_t last) {
  std::erase_if(steps, [last](const KeptStep& step) { return step.number > last; });
}

}  // namespace

RunResult run_apart(const Plan& plan) {
  SharedNotes notes(0);
  return run_noting(plan, notes);
}

std::optional<Plan> first_that_fails(const Plan& first, uint64_t runs, Totals& totals) {
  SharedNotes notes(0);
  const Apart child = apart([&](int pipe_end) {
    ::dup2(pipe_end, STDERR_FILENO);
    Plan plan = first;
    for (uint64_t run = 0; run < runs; ++run, ++plan.seed) {
      notes->seed = plan.seed;
      Simulation simulation(plan);
      simulation.note_in(*notes);
      if (!simulation.run()) ::_exit(exit_code_of_fault);
      notes->totals += simulation.totals();
    }
  });
  totals = notes->totals;
  if (went_well(child)) return std::nullopt;
  Plan failed = first;
  failed.seed = notes->seed;
  return failed;
}

Shortened shorten(const Plan& plan, uint64_t runs_max) {
  Shortened best{plan, {}, 1};
  std::vector<KeptStep> steps;
  if (plan.kept) {
    best.result = run_apart(plan);
    steps = *plan.kept;
  } else {
    SharedNotes notes(plan.steps);
    best.result = run_noting(plan, notes);
    for (uint64_t number = 1; number <= std::min(notes->step, plan.steps); ++number)
      steps.push_back({number, notes->starts[number - 1]});
  }
  if (!best.result.failed) return best;
  cut_behind(steps, best.result.step);

  const std::string kind = best.result.kind;
  bool shorter = false;
  for (size_t chunk = std::max<size_t>(steps.size() / 2, 1); best.runs < runs_max;) {
    bool removed = false;
    // From the end: what comes late depends on what came before, and seldom the other way about.
    for (size_t end = steps.size(); end > 0 && best.runs < runs_max;) {
      const size_t from = end > chunk ? end - chunk : 0;
      std::vector<KeptStep> fewer = without(steps, from, end - from);
      const RunResult result = try_steps(plan, fewer);
      ++best.runs;
      if (result.failed && result.kind == kind) {
        cut_behind(fewer, result.step);
        steps = std::move(fewer);
        best.result = result;
        removed = shorter = true;
      }
      end = std::min(from, steps.size());
    }
    if (chunk == 1 && !removed) break;
    if (chunk > 1) chunk = std::min(chunk / 2, std::max<size_t>(steps.size() / 2, 1));
  }
  if (shorter) best.plan.kept = std::move(steps);
  return best;
}

std::string explain_failure(const Plan& plan, const std::string& folder) {
  const Shortened shortened = shorten(plan);
  if (!shortened.result.failed) return "the run does not fail when it is run again: is something left to chance?\n";
  std::string text = "made short in " + std::to_string(shortened.runs) + " runs";
  if (shortened.plan.kept) text += ", to " + std::to_string(shortened.plan.kept->size()) + " steps";
  text += ":\n" + shortened.result.report;
  const std::string path = folder + "/" + std::to_string(plan.seed) + ".replay";
  std::ofstream file(path);
  file << to_text(shortened.plan, shortened.result.kind);
  file.close();
  text += file ? "replay: simulate --replay " + path + "\n" : "cannot write " + path + "\n";
  return text;
}

}  // namespace signalbox::simulation
