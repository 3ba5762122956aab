#include "tests/torture/broker_log.hpp"

#include <array>
#include <cstdlib>
#include <fstream>
#include <string_view>

namespace signalbox::torture {
namespace {

constexpr size_t strange_max = 8;

// Of errors only what a file brings about that was meant to be refused.
constexpr std::array<std::string_view, 5> expected = {" info ", " warning ", ": warning: ", " error not_reloaded ",
                                                      " error configuration "};

bool is_expected(std::string_view line) {
  if (line.find(" code=internal ") != std::string_view::npos) return false;
  for (const std::string_view text : expected)
    if (line.find(text) != std::string_view::npos) return true;
  return false;
}

uint64_t number_behind(const std::string& line, std::string_view key) {
  const size_t at = line.find(key);
  return at == std::string::npos ? 0 : std::strtoull(line.c_str() + at + key.size(), nullptr, 10);
}

}  // namespace

BrokerLog read_broker_log(const std::string& path) {
  BrokerLog log;
  std::ifstream stream(path);
  const auto is = [](const std::string& line, std::string_view event) { return line.find(event) != std::string::npos; };
  for (std::string line; std::getline(stream, line);) {
    if (!is_expected(line) && log.strange.size() < strange_max) log.strange.push_back(line);
    if (is(line, " warning expired ")) log.expired = number_behind(line, " total=");
    if (is(line, " warning dropped endpoint=basin ")) log.dropped = number_behind(line, " total=");
    if (is(line, " warning ack_timeouts ")) log.ack_timeouts = number_behind(line, " total=");
    if (is(line, " warning left_dead_letters ")) log.left_dead_letters += number_behind(line, " messages=");
    if (is(line, " info listening ")) log.listens = true;
    if (is(line, " info reloaded ")) ++log.reloads;
    if (is(line, " error not_reloaded ")) ++log.reloads_refused;
    if (is(line, " info stopped ")) {
      log.stopped = true;
      log.left_behind = number_behind(line, " left_behind=");
    }
  }
  return log;
}

}  // namespace signalbox::torture
