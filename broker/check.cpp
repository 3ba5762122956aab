#include "broker/check.hpp"

#include <algorithm>
#include <array>

#include "broker/routes.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

constexpr std::string_view bold = "\033[1m";
constexpr std::string_view faint = "\033[2m";
constexpr std::string_view red = "\033[31m";
constexpr std::string_view plain = "\033[0m";

using Row = std::vector<std::string>;
const Row head = {"what", "from", "when", "to", "rewrite"};
constexpr size_t to_column = 3;

// Characters, not bytes: names may hold any UTF-8.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string coloured(std::string_view text, std::string_view colour, Colours colours) {
  if (colours == Colours::plain || colour.empty()) return std::string(text);
  return std::string(colour).append(text).append(plain);
}

bool goes_nowhere(const Row& row) {
  return row.size() > to_column && row[to_column].starts_with("refused: ");
}

// The first row is the head. A last column that says nothing below it is left out.
void append_table(std::string& out, const std::vector<Row>& rows, Colours colours) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  const bool last_says_nothing =
      std::all_of(rows.begin() + 1, rows.end(), [](const Row& row) { return row.back().empty(); });
  const size_t columns = widths.size() - (last_says_nothing ? 1 : 0);
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < columns; ++i) {
      line += "  " + row[i] + std::string(widths[i] - width_of(row[i]), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    const std::string_view colour = &row == &rows.front() ? faint : goes_nowhere(row) ? red : std::string_view();
    out += coloured(line, colour, colours) + '\n';
  }
}

std::string in_a_row(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(printable(name));
  return text;
}

void append_dispatcher(std::string& out, const MappedDispatcher& dispatcher, Colours colours) {
  out += coloured(dispatcher.name, bold, colours) + ": dead letters go to " + dispatcher.dead_letters +
         (dispatcher.reply_tracking ? "" : ", replies and events do not follow their messages") + '\n';
  if (!dispatcher.entering.empty()) {
    out += "  middleware: " + in_a_row(dispatcher.entering) + " on entering, " + in_a_row(dispatcher.leaving) +
           " on leaving\n";
  }
  std::vector<Row> rows = {head};
  for (const Route& route : dispatcher.routes) {
    rows.push_back(
        {route.what, printable(route.from), printable(route.condition), printable(route.to), printable(route.rewrite)});
  }
  append_table(out, rows, colours);
}

void append_joints(std::string& out, const RouteMap& map, Colours colours) {
  out += '\n' + coloured("joints", bold, colours) + '\n';
  std::vector<Row> rows = {{"name", "exposed by", "transport of"}};
  for (const MappedJoint& joint : map.joints) {
    rows.push_back({joint.name, map.dispatchers[joint.exposed_by].name, map.dispatchers[joint.transport_of].name});
  }
  append_table(out, rows, colours);
}

}  // namespace

std::string routes_table(const Configuration& configuration, Colours colours) {
  const RouteMap map = map_routes(configuration);
  std::string out;
  for (const MappedDispatcher& dispatcher : map.dispatchers) {
    if (!out.empty()) out += '\n';
    append_dispatcher(out, dispatcher, colours);
  }
  if (!map.joints.empty()) append_joints(out, map, colours);
  return out;
}

}  // namespace signalbox
