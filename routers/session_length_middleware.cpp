// SessionLengthMiddleware: when the session began, in each of its messages, and when it ended, in the one that ends it:
// session_start and session_end under helper_metadata, in seconds since 1970.
//
// A session is known by where it runs (the transport, or the tag) and by the user's address. A message with
// session_event "new" begins one, "close" ends it; all others are told its start. What a message says already is never
// overwritten, so what one dispatcher has set stands in the next, and the second pass in a dispatcher changes nothing.
// A start is kept for `timeout` seconds: a session that lasts longer has lost it.
//
// Thread: one. Owns: the path of its field; the starts are in its state table. Time: the wall clock's for what people
// read, the monotonic one for expiry. Bounds: max_users sessions. Tested by middleware_session_test.cpp.
#include <charconv>

#include "routers/built_in_middleware.hpp"
#include "routers/encoding.hpp"
#include "routers/message_tag.hpp"
#include "routers/nested_value.hpp"
#include "routers/reading_options.hpp"

namespace signalbox {

namespace {

constexpr int64_t timeout_s_default = 600;
constexpr int64_t timeout_s_max = int64_t{10} * 365 * 24 * 60 * 60;

class SessionLengthMiddleware final : public Middleware {
 public:
  explicit SessionLengthMiddleware(MiddlewareSetup& setup) {
    int64_t timeout_s = timeout_s_default;
    const Setting* timeout = setup.find("timeout");
    if (timeout != nullptr && has_type(setup, *timeout, Setting::Type::integer, "an integer")) {
      timeout_s = timeout->integer;
      if (timeout_s < 1 || timeout_s > timeout_s_max) {
        setup.fault(timeout->position, "timeout must lie between 1 and " + std::to_string(timeout_s_max) + ", and is " +
                                           std::to_string(timeout_s));
      }
    }
    read_namespace_type(setup);
    if (const auto field = read_text_option(setup, "field_name")) {
      field_name_ = *field;
      if (field->empty()) setup.fault(setup.find("field_name")->position, "field_name must not be empty");
    }
    starts_ = setup.state().open(
        {.name = std::string(setup.dispatcher_name()) + ":" + std::string(setup.name()) + ":session_created",
         .entries_max = setup.max_users(),
         .keep_ms = static_cast<uint64_t>(timeout_s) * 1000,
         .reading_renews = false});
  }

  void enters(const Passing& passing, Edits& edits) override {
    if (passing.direction == Direction::inbound) pass(passing, Field::from_addr, true, edits);
    if (passing.direction == Direction::outbound) pass(passing, Field::to_addr, false, edits);
  }
  void leaves(const Passing& passing, Edits& edits) override {
    if (passing.direction == Direction::inbound) pass(passing, Field::from_addr, false, edits);
    if (passing.direction == Direction::outbound) pass(passing, Field::to_addr, true, edits);
  }

 private:
  void read_namespace_type(MiddlewareSetup& setup) {
    const auto type = read_text_option(setup, "namespace_type");
    if (!type) return;
    by_tag_ = *type == "tag";
    if (by_tag_ || *type == "transport_name") return;
    setup.unknown_name(setup.find("namespace_type")->position,
                       "namespace_type must be transport_name or tag, not " + in_quotes(*type), *type,
                       {"transport_name", "tag"});
  }

  // `at_transport`: the connector is a transport, whose name stands in where the message has none.
  void pass(const Passing& passing, Field user, bool at_transport, Edits& edits) {
    const MessageView& message = passing.message;
    if (!find_key(passing, user, at_transport)) return;
    const std::string_view session_event =
        text_of(find_value(message.bytes(), {"session_event"})).value_or(std::string_view());
    const bool has_start = says(message, "session_start");
    if (session_event == "new") {
      if (has_start) return;
      starts_->put(key_, std::to_string(passing.now.wall_us), passing.now);
      set("session_start", passing.now.wall_us, edits);
      return;
    }
    const bool ends = session_event == "close";
    if (ends && !says(message, "session_end")) set("session_end", passing.now.wall_us, edits);
    if (has_start) return;
    const auto start = starts_->get(key_, passing.now);
    if (!start) return;
    int64_t start_us = 0;
    std::from_chars(start->data(), start->data() + start->size(), start_us);
    set("session_start", start_us, edits);
    if (ends) starts_->erase(key_);
  }

  // The key of the message's session. False: it has none.
  bool find_key(const Passing& passing, Field user, bool at_transport) {
    const MessageView& message = passing.message;
    if (!message.has(user)) return false;
    key_.clear();
    if (by_tag_) {
      const auto tag = tag_of(message);
      if (!tag) return false;
      key_.append(tag->pool).append(":").append(tag->name);
    } else if (message.has(Field::transport_name)) {
      key_.append(message.text(Field::transport_name));
    } else if (at_transport) {
      key_.append(passing.connector_name);
    } else {
      return false;
    }
    key_.append(":").append(message.text(user));
    return true;
  }

  bool says(const MessageView& message, std::string_view what) const {
    return message.has(Field::helper_metadata) &&
           !find_value(message.value(Field::helper_metadata), {field_name_, what}).empty();
  }

  void set(std::string_view what, int64_t wall_us, Edits& edits) {
    std::string encoded;
    append_real(encoded, static_cast<double>(wall_us) / 1e6);
    edits.edit({.operation = Edit::Operation::set,
                .path = {"helper_metadata", field_name_, what},
                .value = edits.keep(std::move(encoded))});
  }

  bool by_tag_ = false;
  std::string field_name_ = "session";
  std::unique_ptr<StateTable> starts_;  // microseconds since 1970 in digits, by key
  std::string key_;                     // of the message at hand
};

}  // namespace

MiddlewareClass session_length_middleware() {
  return {.name = "SessionLengthMiddleware",
          .make = [](MiddlewareSetup& setup) -> std::unique_ptr<Middleware> {
            return std::make_unique<SessionLengthMiddleware>(setup);
          },
          .options = {"timeout", "namespace_type", "field_name"},
          .vumi_options = {"redis_manager"}};
}

}  // namespace signalbox
