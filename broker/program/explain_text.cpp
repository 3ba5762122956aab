#include "broker/program/explain_text.hpp"

#include <initializer_list>
#include <string_view>
#include <utility>

#include "broker/program/json_message.hpp"
#include "protocol/limits.hpp"
#include "protocol/text.hpp"

namespace signalbox {
namespace {

using Change = Explanation::Change;
using Passage = Explanation::Passage;
using Piece = Explanation::Piece;
using Target = Explanation::Target;
using Outcome = Routing::Verdict::Outcome;

constexpr std::string_view bold = "1";
constexpr std::string_view green = "32";
constexpr std::string_view yellow = "33";
constexpr std::string_view red = "31";

// At most so many bytes from the start of the text, cut between characters.
std::string_view front(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;
  return text.substr(0, end > 0 ? end : bytes_max);
}

std::string text_of(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

// All of the text, fit for a screen.
std::string shown(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view part = front(text, limits::peer_text_bytes_max);
    out += printable(part);
    text.remove_prefix(part.size());
  }
  return out;
}

std::string shown_value(Bytes encoded) {
  if (encoded.empty()) return "absent";
  std::string json;
  const std::string fault = append_json(json, encoded);
  if (!fault.empty()) return fault;
  const std::string_view part = front(json, value_bytes_max);
  return std::string(part) + (part.size() < json.size() ? "…" : "");
}

std::string shown_path(const std::vector<std::string>& path) {
  std::string out;
  for (const std::string& key : path) out.append(out.empty() ? "" : ".").append(shown(key));
  return out;
}

class TextWriter {
 public:
  explicit TextWriter(bool in_colour) : in_colour_(in_colour) {}

  void passage(const Passage& passage, size_t level) {
    line(level, text_of({coloured(bold, shown(passage.dispatcher)), " (", shown(passage.router_class),
                         "): ", direction_of(passage.direction), " from ", shown(passage.sender)}));
    changes("broker", passage.filled_in, level + 1);
    for (const Piece& one : passage.middleware) piece(one, level + 1);
    if (!passage.remembered.empty())
      line(level + 1, text_of({"memory: it refers to a message from ", shown(passage.remembered)}));
    if (passage.is_ambiguous)
      line(level + 1, "memory: two senders have used the id that it refers to, so it follows neither");
    for (const std::string& note : passage.notes) line(level + 1, text_of({"router: ", shown(note)}));
    if (passage.discard) line(level + 1, coloured(yellow, "discarded") + ": " + shown(*passage.discard));
    if (passage.refusal) line(level + 1, refused(*passage.refusal));
    for (const Target& one : passage.targets) target(one, level + 1);
  }

  void verdict(const Explanation& explanation) {
    switch (explanation.outcome) {
      case Outcome::refused:
        line(0, refused(explanation.refusal));
        break;
      case Outcome::discarded:
        line(0, coloured(yellow, "discarded") + ", and confirmed to its sender");
        break;
      case Outcome::taken: {
        std::string names;
        for (const std::string& name : explanation.taken_by)
          names.append(names.empty() ? "" : ", ").append(shown(name));
        line(0, coloured(green, "taken by ") + names);
        break;
      }
    }
    for (const Explanation::LeftOut& one : explanation.left_out) {
      line(0, text_of({coloured(red, "left out"), " at ", shown(one.endpoint), " (", to_string(one.code),
                       "): a dead letter for ", shown(one.dead_letters)}));
    }
  }

  std::string take() { return std::move(out_); }

 private:
  static std::string_view direction_of(Direction direction) {
    switch (direction) {
      case Direction::inbound:
        return "inbound";
      case Direction::event:
        return "event";
      case Direction::outbound:
        return "outbound";
    }
    return {};
  }

  std::string coloured(std::string_view colour, const std::string& text) const {
    if (!in_colour_) return text;
    return text_of({"\x1b[", colour, "m", text, "\x1b[0m"});
  }

  std::string refused(const Explanation::Refusal& refusal) const {
    return text_of({coloured(red, text_of({"refused ", to_string(refusal.code)})), ": ", shown(refusal.text)});
  }

  void line(size_t level, const std::string& text) { out_.append(2 * level, ' ').append(text) += '\n'; }

  void changes(const std::string& who, const std::vector<Change>& changes, size_t level) {
    for (const Change& change : changes) {
      const std::string place = text_of({who, ": ", shown_path(change.path), ": "});
      if (change.is_made && change.before == change.after) {
        line(level, text_of({place, "stays ", shown_value(change.after)}));
      } else if (change.is_made) {
        line(level, text_of({place, shown_value(change.before), " -> ", shown_value(change.after)}));
      } else {
        line(level, place + "not changed: the message has another type there");
      }
    }
  }

  void piece(const Piece& piece, size_t level) {
    const std::string who = text_of({"middleware ", shown(piece.name)});
    for (const std::string& text : piece.log) line(level, who + ": writes to the log: " + shown(text));
    changes(who, piece.changes, level);
    if (piece.changes.empty() && piece.log.empty()) line(level, who + ": no change");
  }

  void target(const Target& target, size_t level) {
    line(level, text_of({"-> ", coloured(bold, shown(target.name)), target.is_joint ? ", a joint" : ""}));
    changes("router", target.changes, level + 1);
    for (const Piece& one : target.middleware) piece(one, level + 1);
    if (target.refusal) line(level + 1, refused(*target.refusal));
    if (target.behind != nullptr) passage(*target.behind, level + 1);
  }

  const bool in_colour_;
  std::string out_;
};

}  // namespace

std::string to_text(const Explanation& explanation, bool in_colour) {
  TextWriter writer(in_colour);
  if (explanation.first != nullptr) writer.passage(*explanation.first, 0);
  writer.verdict(explanation);
  return writer.take();
}

}  // namespace signalbox
