// TaggingMiddleware: a tag for what comes in, found by the address that it was sent to; and additions to what goes out
// under a tag.
//
// Inbound: where addr_pattern matches to_addr from its start, helper_metadata.tag.tag becomes [pool, name], both made
// from what matched; else a tag that is there stays. Outbound: where tagname_pattern matches the name of the message's
// tag, msg_template is merged into the message. The pool is not looked at.
//
// Thread: one. Owns: its patterns and templates, constant once made. Tested by middleware_tagging_test.cpp.
#include "protocol/text.hpp"
#include "routers/built_in_middleware.hpp"
#include "routers/encoding.hpp"
#include "routers/message_tag.hpp"
#include "routers/message_template.hpp"
#include "routers/middleware_both_ways.hpp"
#include "routers/reading_options.hpp"

namespace signalbox {

namespace {

class TaggingMiddleware final : public MiddlewareBothWays {
 public:
  explicit TaggingMiddleware(MiddlewareSetup& setup) {
    if (const Setting* incoming = require_option(setup, "incoming", Setting::Type::table, "a table")) {
      read_pattern(setup, *incoming, "addr_pattern", address_);
      read_template(setup, *incoming, "tagpool_template", address_, pool_);
      read_template(setup, *incoming, "tagname_template", address_, name_);
      report_unknown_entries(setup, *incoming, {"addr_pattern", "tagpool_template", "tagname_template"});
    }
    if (const Setting* outgoing = require_option(setup, "outgoing", Setting::Type::table, "a table")) {
      read_pattern(setup, *outgoing, "tagname_pattern", tag_name_);
      const Setting* additions = require_entry(setup, *outgoing, "msg_template", Setting::Type::table, "a table");
      if (additions != nullptr) additions_.read(setup, *additions, tag_name_);
      report_unknown_entries(setup, *outgoing, {"tagname_pattern", "msg_template"});
    }
  }

 protected:
  void inbound(const Passing& passing, Edits& edits) override {
    if (!passing.message.has(Field::to_addr) || !address_.match(passing.message.text(Field::to_addr))) return;
    std::string tag;
    append_array_head(tag, 2);
    for (const GroupTemplate* part : {&pool_, &name_}) {
      text_.clear();
      part->append_expanded(text_, address_);
      if (!is_utf8(text_)) return;  // a pattern may speak of single bytes
      append_text(tag, text_);
    }
    edits.edit({.operation = Edit::Operation::set, .path = tag_path, .value = edits.keep(std::move(tag))});
  }

  void outbound(const Passing& passing, Edits& edits) override {
    const auto tag = tag_of(passing.message);
    if (!tag || !tag_name_.match(tag->name)) return;
    auto additions = additions_.expanded(tag_name_);
    if (!additions) return;
    edits.edit({.operation = Edit::Operation::merge, .path = {}, .value = edits.keep(std::move(*additions))});
  }

 private:
  static void read_pattern(SettingReader& reader, const Setting& table, std::string_view key,
                           CapturingPattern& pattern) {
    const Setting* setting = require_entry(reader, table, key, Setting::Type::text, "a regular expression, a string");
    if (setting == nullptr) return;
    const std::string error = pattern.compile(setting->text);
    if (error.empty()) return;
    reader.fault(setting->position,
                 "the regular expression " + in_quotes(setting->text) + " does not compile: " + error);
  }

  static void read_template(SettingReader& reader, const Setting& table, std::string_view key,
                            const CapturingPattern& pattern, GroupTemplate& made) {
    const Setting* setting = require_entry(reader, table, key, Setting::Type::text, "a template, a string");
    if (setting == nullptr) return;
    const std::string fault = made.parse(setting->text, pattern);
    if (!fault.empty())
      reader.fault(setting->position, "the template " + in_quotes(setting->text) + " is wrong: " + fault);
  }

  CapturingPattern address_;
  GroupTemplate pool_;
  GroupTemplate name_;
  CapturingPattern tag_name_;
  MessageTemplate additions_;
  std::string text_;
};

}  // namespace

MiddlewareClass tagging_middleware() {
  return {.name = "TaggingMiddleware",
          .make = [](MiddlewareSetup& setup) -> std::unique_ptr<Middleware> {
            return std::make_unique<TaggingMiddleware>(setup);
          },
          .options = {"incoming", "outgoing"}};
}

}  // namespace signalbox
