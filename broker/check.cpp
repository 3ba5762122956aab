#include "broker/check.hpp"

#include <algorithm>
#include <array>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

using Row = std::array<std::string, 5>;
const Row head = {"what", "from", "when", "to", "rewrite"};

// Characters, not bytes: names may hold any UTF-8.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

void append_table(std::string& out, const std::vector<Row>& rows) {
  std::array<size_t, head.size()> widths{};
  bool rewrites = false;
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    rewrites = rewrites || (&row != &rows.front() && !row.back().empty());
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size() - (rewrites ? 0 : 1); ++i) {
      line += "  " + row[i] + std::string(widths[i] - width_of(row[i]), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
}

}  // namespace

std::string routes_table(const Configuration& configuration) {
  std::string out;
  for (const DispatcherSettings& dispatcher : configuration.settings.dispatchers) {
    if (!out.empty()) out += '\n';
    out += dispatcher.name + ": dead letters go to " + configuration.settings.endpoints[dispatcher.dead_letters].name +
           (dispatcher.reply_tracking ? "" : ", replies and events do not follow their messages") + '\n';
    std::vector<Row> rows = {head};
    for (const Route& route : dispatcher.router->routes()) {
      rows.push_back({route.what, printable(route.from), printable(route.condition), printable(route.to),
                      printable(route.rewrite)});
    }
    append_table(out, rows);
  }
  return out;
}

}  // namespace signalbox
