#include "tests/routers/case_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <variant>

#include "broker/configuration_toml.hpp"

namespace signalbox::testing {

namespace {

// Fields of a message that a case can give without writing JSON.
constexpr std::array<std::string_view, 5> plain_fields = {"transport_name", "to_addr", "from_addr", "content",
                                                          "in_reply_to"};
constexpr std::array<std::string_view, 12> other_keys = {"it",      "what", "from", "message", "endpoint", "followed",
                                                         "earlier", "live", "now",  "goes",    "changes",  "wire"};

std::string text_at(const Setting& table, std::string_view key) {
  const Setting* setting = table.find(key);
  return setting == nullptr ? "" : setting->text;
}

bool flag_at(const Setting& table, std::string_view key, bool otherwise) {
  const Setting* setting = table.find(key);
  return setting == nullptr ? otherwise : setting->boolean;
}

Json json_at(const Setting& table, std::string_view key) {
  const Setting* setting = table.find(key);
  return setting == nullptr ? Json::object() : Json::parse(setting->text);
}

std::vector<std::string> texts_at(const Setting& table, std::string_view key) {
  std::vector<std::string> texts;
  const Setting* setting = table.find(key);
  if (setting == nullptr) return texts;
  if (setting->type == Setting::Type::text) return {setting->text};
  for (const Setting& item : setting->items) texts.push_back(item.text);
  return texts;
}

void check_keys(const Setting& entry) {
  for (const Setting& item : entry.items) {
    if (std::ranges::count(plain_fields, item.key) + std::ranges::count(other_keys, item.key) == 0) {
      throw std::runtime_error("a case has no key " + item.key);
    }
  }
}

// `earlier` is the id of the message that this one refers to; empty: it refers to none.
Json whole_message(const Setting& entry, const std::string& what, const std::string& earlier) {
  Json message;
  if (what == "event") {
    message = {{"message_type", "event"},
               {"event_id", "e"},
               {"event_type", "ack"},
               {"user_message_id", earlier.empty() ? "unknown" : earlier}};
  } else if (what == "inbound" || what == "outbound") {
    message = {{"message_type", "user_message"}, {"message_id", "m"}};
    if (!earlier.empty()) message["in_reply_to"] = earlier;
  } else {
    throw std::runtime_error("what must be inbound, event or outbound, not " + what);
  }
  for (const std::string_view key : plain_fields) {
    if (const Setting* setting = entry.find(key)) message[std::string(key)] = setting->text;
  }
  if (const Setting* endpoint = entry.find("endpoint")) message["routing_metadata"]["endpoint_name"] = endpoint->text;
  message.update(json_at(entry, "message"));
  return message;
}

Step read_step(const Setting& group, const Setting& entry, size_t place) {
  check_keys(entry);
  const std::string what = text_at(entry, "what");
  Step step;
  step.it = text_at(entry, "it");
  step.from = text_at(entry, "from");
  step.followed = texts_at(entry, "followed");
  const std::string earlier = "earlier " + std::to_string(place);
  step.message = whole_message(entry, what, step.followed.empty() ? "" : earlier);
  step.earlier = {{"message_type", "user_message"}, {"message_id", earlier}};
  if (what != "outbound") step.earlier["transport_name"] = step.from;
  step.earlier.update(json_at(entry, "earlier"));
  if (entry.find("live") != nullptr) {
    const std::vector<std::string> names = texts_at(entry, "live");
    step.live.emplace(names.begin(), names.end());
  }
  if (const Setting* now = entry.find("now")) {
    step.now = {.monotonic_ms = static_cast<uint64_t>(now->integer) * 1000, .wall_us = now->integer * 1'000'000};
  }
  step.goes = text_at(entry, "goes");
  step.arrives = step.message;
  const bool nameless = !step.message.contains("transport_name") || step.message["transport_name"].is_null();
  if (what != "outbound" && nameless && flag_at(group, "fills_in_transport_name", true)) {
    step.arrives["transport_name"] = step.from;
  }
  step.arrives.update(json_at(entry, "changes"));
  return step;
}

void read_case_file(const std::filesystem::path& path, std::vector<Case>& cases) {
  std::ifstream stream(path);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  const auto file = parse_toml(text);
  if (const Fault* fault = std::get_if<Fault>(&file)) throw std::runtime_error(to_line(path.string(), *fault));
  const Setting* const groups = std::get<Setting>(file).find("group");
  if (groups == nullptr) throw std::runtime_error(path.string() + ": no [[group]]");
  for (const Setting& group : groups->items) {
    const bool in_order = flag_at(group, "in_order", false);
    bool first = true;
    for (const Setting& entry : group.find("case")->items) {
      if (first || !in_order) cases.push_back({path.stem(), text_at(group, "configuration"), {}, {}});
      first = false;
      try {
        cases.back().steps.push_back(read_step(group, entry, cases.back().steps.size()));
      } catch (const std::exception& error) {
        throw std::runtime_error(path.string() + ", " + text_at(entry, "it") + ": " + error.what());
      }
    }
  }
}

}  // namespace

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.file << ": " << (one.steps.empty() ? one.fault : one.steps.front().it);
}

std::vector<Case> read_case_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".toml") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<Case> cases;
  for (const std::filesystem::path& path : paths) {
    try {
      read_case_file(path, cases);
    } catch (const std::exception& error) {
      cases.push_back({path.stem(), "", {}, error.what()});
    }
  }
  return cases;
}

}  // namespace signalbox::testing
