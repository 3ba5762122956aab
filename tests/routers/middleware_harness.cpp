#include "tests/routers/middleware_harness.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace signalbox::testing {

namespace {

std::string_view word(MessageLog::Level level) {
  switch (level) {
    case MessageLog::Level::debug:
      return "debug";
    case MessageLog::Level::info:
      return "info";
    case MessageLog::Level::warning:
      return "warning";
    case MessageLog::Level::error:
      return "error";
    case MessageLog::Level::critical:
      return "critical";
  }
  return "";
}

}  // namespace

void Lines::message(Level level, const std::vector<Item>& items) {
  std::string line(word(level));
  for (const Item& item : items) line.append(" ").append(item.key).append("=").append(item.value);
  lines.push_back(std::move(line));
}

MiddlewareHarness::MiddlewareHarness(std::string_view middleware, std::string_view options,
                                     const RouterRegistry& registry) {
  std::string toml;
  toml.append(middleware)
      .append("\n")
      .append(
          "router_class = 'SimpleDispatchRouter'\n"
          "transport_names = ['sms', 'ussd']\n"
          "exposed_names = ['app']\n"
          "routing_mappings = {sms = 'app', ussd = 'app'}\n");
  toml.append(options);
  ConfigurationResult result = read_configuration(toml, registry);
  std::string faults;
  for (const Fault& fault : result.faults) faults.append(to_line("configuration", fault)).append("\n");
  if (result.configuration == nullptr) throw std::runtime_error(faults + toml);
  configuration_ = std::move(result.configuration);
}

std::string MiddlewareHarness::pass_bytes(Pass pass, Direction direction, std::string_view connector, std::string bytes,
                                          const Time& now) {
  Edits edits;
  for (const size_t place : pass == Pass::entering ? dispatcher().entering : dispatcher().leaving) {
    MessageView view;
    EXPECT_EQ(view.scan(bytes), Scan::ok) << view.fault();
    const Passing passing{
        .message = view, .direction = direction, .connector = 0, .connector_name = connector, .now = now, .log = &log_};
    edits.clear();
    Middleware& piece = *dispatcher().middleware[place].piece;
    pass == Pass::entering ? piece.enters(passing, edits) : piece.leaves(passing, edits);
    std::string changed = bytes;
    for (const Edit& edit : edits.all()) (void)rewrite(changed, edit);
    bytes = std::move(changed);
  }
  MessageView view;
  EXPECT_EQ(view.scan(bytes), Scan::ok) << view.fault();
  EXPECT_EQ(view.bytes().size(), bytes.size());
  return bytes;
}

Json MiddlewareHarness::pass(Pass pass, Direction direction, std::string_view connector, const Json& message,
                             const Time& now) {
  const std::vector<uint8_t> packed = Json::to_msgpack(message);
  const std::string bytes = pass_bytes(pass, direction, connector, std::string(packed.begin(), packed.end()), now);
  return Json::from_msgpack(bytes);
}

Json whole_message(Direction direction, const Json& fields) {
  Json message =
      direction == Direction::event
          ? Json{{"message_type", "event"}, {"event_id", "e"}, {"event_type", "ack"}, {"user_message_id", "m"}}
          : Json{{"message_type", "user_message"}, {"message_id", "m"}};
  message.update(fields);
  return message;
}

}  // namespace signalbox::testing
