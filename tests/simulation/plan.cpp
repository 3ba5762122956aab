#include "tests/simulation/plan.hpp"

#include <array>
#include <charconv>
#include <sstream>

namespace signalbox::simulation {
namespace {

constexpr std::string_view names[] = {"one_dispatcher", "several_dispatchers", "everything", "changing", "all_routers"};

std::string hexadecimal(uint64_t value) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof text, value, 16);
  return {text, end.ptr};
}

}  // namespace

std::string_view to_string(Installation installation) {
  return names[static_cast<size_t>(installation)];
}

std::optional<Installation> installation_named(std::string_view name) {
  for (size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name) return static_cast<Installation>(i);
  return std::nullopt;
}

std::string to_text(const Plan& plan, std::string_view comment) {
  std::string text;
  std::istringstream lines{std::string(comment)};
  for (std::string line; std::getline(lines, line);) text.append("# ").append(line).append("\n");
  text += "seed " + std::to_string(plan.seed) + "\nsteps " + std::to_string(plan.steps) + "\ninstallation ";
  text += to_string(plan.installation);
  text += "\n";
  if (plan.lanes > 0) text += "lanes " + std::to_string(plan.lanes) + "\n";
  if (plan.storm) text += "storm\n";
  if (!plan.kept) return text;
  text += "shortened\n";
  for (const KeptStep& step : *plan.kept) {
    text += "step " + std::to_string(step.number);
    for (uint64_t word : step.chance.state()) text.append(" ").append(hexadecimal(word));
    text += "\n";
  }
  return text;
}

std::optional<Plan> read_plan(std::string_view text, std::string& fault) {
  Plan plan;
  bool seeded = false;
  std::istringstream lines{std::string(text)};
  uint64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    std::string key;
    if (!(words >> key) || key[0] == '#') continue;
    bool good = true;
    if (key == "seed") {
      good = seeded = static_cast<bool>(words >> plan.seed);
    } else if (key == "steps") {
      good = static_cast<bool>(words >> plan.steps);
    } else if (key == "installation") {
      std::string name;
      words >> name;
      const auto installation = installation_named(name);
      good = installation.has_value();
      if (good) plan.installation = *installation;
    } else if (key == "lanes") {
      good = static_cast<bool>(words >> plan.lanes);
    } else if (key == "storm") {
      plan.storm = true;
    } else if (key == "shortened") {
      plan.kept.emplace();
    } else if (key == "step" && plan.kept) {
      KeptStep step;
      std::array<uint64_t, 4> state{};
      words >> step.number >> std::hex;
      for (uint64_t& word : state) words >> word;
      step.chance.restore(state);
      good = !words.fail() && (plan.kept->empty() || plan.kept->back().number < step.number);
      plan.kept->push_back(step);
    } else {
      good = false;
    }
    if (good) continue;
    fault = "line " + std::to_string(number) + " is no part of a run: " + line;
    return std::nullopt;
  }
  if (seeded) return plan;
  fault = "no seed is given";
  return std::nullopt;
}

}  // namespace signalbox::simulation
