// What the naive twins of the routers share: a twin is the router as one would explain it to somebody, with no thought
// for speed. Each twin's test asks twin and router about the same messages and compares what they say.
//
// Thread: any; no state.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/routers/router_harness.hpp"

namespace signalbox::testing {

using Names = std::vector<std::string>;

// What a router made of a message: "app1, app2" or "refused no_route" or "discarded", and the message as each target
// has to get it, which is the same for all.
struct Fate {
  std::string goes;
  Json arrives = nullptr;  // null: nobody gets it
};

inline std::string joined(const Names& names, const std::string& between, const std::string& quote = "") {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text.append(between);
    text.append(quote).append(name).append(quote);
  }
  return text;
}

// {'a' = 't', …} as TOML; the names are the test's own, without quotes in them.
inline std::string inline_table(const std::map<std::string, std::string>& entries) {
  std::string text = "{";
  for (const auto& [key, value] : entries) {
    if (text.size() > 1) text.append(", ");
    text.append("'").append(key).append("' = '").append(value).append("'");
  }
  return text + "}";
}

// "a0", "a1", …
inline std::string numbered(char letter, size_t number) {
  return std::to_string(number).insert(0, 1, letter);
}

inline bool has(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// Asks the router; stars and reasons are left off, since the twin compares the copies themselves.
inline Fate ask(RouterHarness& harness, const Sample& sample) {
  Fate fate{harness.decide(sample)};
  if (fate.goes.starts_with("refused ") || fate.goes.starts_with("discarded")) {
    fate.goes.resize(fate.goes.find(':'));
    return fate;
  }
  std::erase(fate.goes, '*');
  fate.arrives = harness.copy_for(0);
  for (size_t i = 1; i < harness.decision().targets().size(); ++i) {
    if (harness.copy_for(i) != fate.arrives) throw std::runtime_error("two targets get different copies");
  }
  return fate;
}

// The message as it is sent.
inline Json sent(const Sample& sample) {
  return Json::from_msgpack(encode(sample));
}

// The text of a field; nothing where it is nil or absent.
inline std::optional<std::string> text_in(const Sample& sample, const std::string& key) {
  const Json message = sent(sample);
  if (!message.contains(key) || message[key].is_null()) return std::nullopt;
  return message[key].get<std::string>();
}

inline std::string described(const Sample& sample) {
  return "from " + sample.from + ", followed " + sample.followed + ", direction " +
         std::to_string(static_cast<int>(sample.direction)) + ", " + sent(sample).dump();
}

// Every message that these endpoints can send: each direction, each name in transport_name (and none), each `fields`,
// each endpoint remembered (and none).
inline void for_each_message(const Names& transports, const Names& applications, const Names& spoken,
                             const std::vector<Json>& fields, const std::function<void(const Sample&)>& visit) {
  std::vector<std::optional<std::string>> names(spoken.begin(), spoken.end());
  names.emplace_back(std::nullopt);
  for (const Direction direction : {Direction::inbound, Direction::event, Direction::outbound}) {
    Names followed = direction == Direction::outbound ? transports : applications;
    followed.emplace_back("");
    for (const std::string& from : direction == Direction::outbound ? applications : transports) {
      for (const auto& transport_name : names) {
        for (const Json& more : fields) {
          for (const std::string& remembered : followed) {
            Sample sample;
            sample.direction = direction;
            sample.from = from;
            sample.transport_name = transport_name;
            sample.fields = more;
            sample.followed = remembered;
            visit(sample);
          }
        }
      }
    }
  }
}

// All ways to give each of `keys` one of `values` ("" stands for leaving it out).
inline std::vector<std::map<std::string, std::string>> all_tables(const Names& keys, const Names& values) {
  std::vector<std::map<std::string, std::string>> tables = {{}};
  for (const std::string& key : keys) {
    std::vector<std::map<std::string, std::string>> longer;
    for (const auto& table : tables) {
      for (const std::string& value : values) {
        longer.push_back(table);
        if (!value.empty()) longer.back()[key] = value;
      }
    }
    tables = std::move(longer);
  }
  return tables;
}

}  // namespace signalbox::testing
