// docs/configuration.md and docs/middleware.md against the code: every key is there, with the routers that read it, the
// range that it is held to and the default that it has; and no other key is.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "broker/configuration_broker.hpp"
#include "broker/configuration_dispatcher.hpp"
#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

using Words = std::set<std::string>;
using Row = std::vector<std::string>;  // the cells of a row in a table

std::string text_of(const std::string& path) {
  std::ifstream file(std::string(SIGNALBOX_SOURCE) + '/' + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What stands between a heading and the next one.
std::string section(const std::string& page, const std::string& heading) {
  const size_t at = page.find('\n' + heading + '\n');
  if (at == std::string::npos) return {};
  const size_t begin = at + heading.size() + 2;
  return page.substr(begin, page.find("\n#", begin) - begin);
}

// The rows of a section's table but for the first two; a row without a key has that of the row above.
std::vector<Row> rows(const std::string& text) {
  std::vector<Row> table;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    Row row;
    std::istringstream cells(line.substr(1));
    for (std::string cell; std::getline(cells, cell, '|');) row.push_back(cell);
    if (!table.empty() && row[0].find('`') == std::string::npos) row[0] = table.back()[0];
    table.push_back(std::move(row));
  }
  if (table.size() > 2) table.erase(table.begin(), table.begin() + 2);
  return table;
}

// The words that stand in backquotes, and are no values in quotes.
Words keys_in(const std::string& cell) {
  static const std::regex word("`([a-z_]+)`");
  Words keys;
  for (auto at = std::sregex_iterator(cell.begin(), cell.end(), word); at != std::sregex_iterator(); ++at) {
    keys.insert((*at)[1]);
  }
  return keys;
}

Words keys_of(const std::vector<Row>& table) {
  Words keys;
  for (const Row& row : table) keys.merge(keys_in(row[0]));
  return keys;
}

Words as_set(const std::vector<std::string>& words) {
  return {words.begin(), words.end()};
}

std::optional<int64_t> as_number(std::string text) {
  std::erase(text, ',');
  static const std::regex number(" *([0-9]+) *");
  std::smatch found;
  if (!std::regex_match(text, found, number)) return std::nullopt;
  return std::stoll(found[1]);
}

const std::string& page() {
  static const std::string text = text_of("docs/configuration.md");
  return text;
}

TEST(DocumentedKeys, OfADispatcher) {
  EXPECT_EQ(keys_of(rows(section(page(), "## A dispatcher"))), as_set(DispatcherReader::common_keys()));
}

TEST(DocumentedKeys, ThatVumiAloneReads) {
  const std::string text = section(page(), "## A dispatcher");
  const size_t end = text.find("mean something to vumi alone");
  ASSERT_NE(end, std::string::npos);
  const size_t begin = text.rfind("\n\n", end);
  EXPECT_EQ(keys_in(text.substr(begin, end - begin)), as_set(DispatcherReader::vumi_keys()));
}

TEST(DocumentedKeys, OfTheTop) {
  for (const std::string& key : DispatcherReader::file_keys()) {
    EXPECT_NE(page().find('[' + key), std::string::npos) << key;
  }
}

// Who reads what, both ways.
TEST(DocumentedKeys, OfEachRouter) {
  std::map<std::string, Words> documented;
  for (const Row& row : rows(section(page(), "### The routers' keys"))) {
    ASSERT_GE(row.size(), 5u);
    for (const RouterClass& router : registry().all()) {
      // The name as a whole: RedirectRouter is no part of another, but ToAddrRouter might be.
      if (!std::regex_search(row[3], std::regex("\\b" + router.name + "\\b"))) continue;
      documented[router.name].merge(keys_in(row[0]));
    }
  }
  for (const RouterClass& router : registry().all()) {
    EXPECT_EQ(documented[router.name], as_set(router.keys)) << router.name;
  }
}

// True: the value is refused for its range, in these words.
bool is_out_of_range(const std::string& section_line, const std::string& key, int64_t value, const std::string& range) {
  const std::string toml =
      sound + section_line + '\n' + std::string(key).append(" = ").append(std::to_string(value)) + '\n';
  const std::string place = "6:" + std::to_string(key.size() + 4) + ' ';
  const std::string text = place + key + " must lie between " + range + ", and is " + std::to_string(value);
  const Lines lines = faults_of(toml);
  return std::ranges::find(lines, text) != lines.end();
}

// "10 to 3,600,000": at both ends, and one beyond each. Returns how many rows have a range.
size_t check_ranges(const std::vector<Row>& table, const std::string& section_line) {
  static const std::regex range("([0-9,]+) to ([0-9,]+)");
  size_t checked = 0;
  for (const Row& row : table) {
    std::smatch found;
    if (!std::regex_search(row[2], found, range)) continue;
    const int64_t least = as_number(found[1]).value();
    const int64_t most = as_number(found[2]).value();
    const std::string words = std::to_string(least) + " and " + std::to_string(most);
    for (const std::string& key : keys_in(row[0])) {
      EXPECT_TRUE(is_out_of_range(section_line, key, least - 1, words)) << key;
      EXPECT_TRUE(is_out_of_range(section_line, key, most + 1, words)) << key;
      EXPECT_FALSE(is_out_of_range(section_line, key, least, words)) << key;
      EXPECT_FALSE(is_out_of_range(section_line, key, most, words)) << key;
      ++checked;
    }
  }
  return checked;
}

// Each key's default, as the page has it: the number, or nothing where it is none.
std::map<std::string, std::optional<int64_t>> defaults(const std::vector<Row>& table) {
  std::map<std::string, std::optional<int64_t>> found;
  for (const Row& row : table) {
    for (const std::string& key : keys_in(row[0])) found[key] = as_number(row[1]);
  }
  return found;
}

TEST(DocumentedKeys, OfTheBroker) {
  const std::vector<Row> table = rows(section(page(), "## `[broker]`"));
  EXPECT_EQ(keys_of(table), as_set(broker_keys()));
  EXPECT_GE(check_ranges(table, "[broker]"), 13u);

  const Settings settings;
  const std::map<std::string, uint64_t> in_code = {{"heartbeat_ms", settings.heartbeat_ms},
                                                   {"max_message_bytes", settings.max_message_bytes},
                                                   {"max_batch_bytes", settings.max_batch_bytes},
                                                   {"send_window", settings.send_window},
                                                   {"send_window_bytes", settings.send_window_bytes},
                                                   {"max_prefetch", settings.max_prefetch},
                                                   {"max_unsettled_bytes", settings.max_unsettled_bytes},
                                                   {"max_registrations", settings.max_registrations},
                                                   {"max_registrations_a_second", settings.max_registrations_a_second},
                                                   {"max_log_lines_a_second", settings.max_log_lines_a_second},
                                                   {"max_sessions", settings.max_sessions},
                                                   {"session_ttl", settings.session_ttl_s},
                                                   {"routing_memory_bytes", settings.routing_memory_bytes},
                                                   {"drain_ms", settings.drain_ms},
                                                   {"removed_endpoint_ms", settings.removed_endpoint_ms}};
  const auto documented = defaults(table);
  for (const auto& [key, value] : in_code) EXPECT_EQ(documented.at(key), value) << key;
  EXPECT_EQ(documented.at("max_users"), 10'000'000);
}

TEST(DocumentedKeys, OfAnEndpoint) {
  const std::vector<Row> table = rows(section(page(), "## `[endpoint_defaults]` and `[endpoints.NAME]`"));
  EXPECT_EQ(keys_of(table), as_set(endpoint_keys()));
  EXPECT_GE(check_ranges(table, "[endpoint_defaults]"), 4u);
  EXPECT_GE(check_ranges(table, "[endpoints.sms]"), 4u);

  const EndpointSettings settings;
  const std::map<std::string, uint64_t> in_code = {{"max_bytes", settings.max_bytes},
                                                   {"max_messages", settings.max_messages},
                                                   {"block_ms", settings.block_ms},
                                                   {"max_deliveries", settings.max_deliveries},
                                                   {"redeliver_ms", settings.redeliver_ms},
                                                   {"message_ttl_ms", settings.message_ttl_ms},
                                                   {"ack_timeout_ms", settings.ack_timeout_ms}};
  const auto documented = defaults(table);
  for (const auto& [key, value] : in_code) EXPECT_EQ(documented.at(key), value) << key;
}

TEST(DocumentedKeys, OfEachMiddleware) {
  const std::string middleware = text_of("docs/middleware.md");
  for (const MiddlewareClass& piece : registry().middleware().all()) {
    EXPECT_EQ(keys_of(rows(section(middleware, "## " + piece.name))), as_set(piece.options)) << piece.name;
    for (const std::string& key : piece.vumi_options) {
      EXPECT_NE(middleware.find('`' + key + '`'), std::string::npos) << piece.name << ": " << key;
    }
  }
}

}  // namespace
}  // namespace signalbox::testing
