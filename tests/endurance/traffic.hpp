// The messages of an endurance run: what two transports send, and what the application answers.
//
// Every message carries its number in its id and, once more, in its content, so that whoever gets it can say which one
// it is and whether it came whole. Numbers go through both transports: the first sends 0 to N/2 - 1, the second the
// rest.
//
// Thread: any; no state. Errors: what is no message of this traffic reads as empty.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/message_view.hpp"
#include "protocol/rewrite.hpp"

namespace signalbox::endurance {

inline constexpr size_t transport_count = 2;
inline constexpr std::array<std::string_view, transport_count> transport_names = {"first_transport",
                                                                                  "second_transport"};
inline constexpr std::string_view application_name = "echo";
inline constexpr std::string_view greeting = "what is my balance, ";

inline std::string number_text(char prefix, uint64_t number) {
  std::array<char, 20> digits;
  const std::to_chars_result end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return prefix + std::string(digits.data(), end.ptr);
}

inline std::optional<uint64_t> read_number(char prefix, std::string_view text) {
  if (text.empty() || text.front() != prefix) return {};
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result read = std::from_chars(text.data() + 1, end, number);
  if (read.ec != std::errc{} || read.ptr != end) return {};
  return number;
}

inline void append_field(std::string& out, std::string_view key, std::string_view text) {
  append_text(out, key);
  append_text(out, text);
}

// One user message in the place of what `out` held. An empty `in_reply_to` is nil.
inline void write_user_message(std::string& out, std::string_view id, std::string_view transport,
                               std::string_view content, std::string_view in_reply_to) {
  out.clear();
  out.push_back('\x88');  // a map of 8
  append_field(out, "message_type", "user_message");
  append_field(out, "message_id", id);
  append_field(out, "to_addr", in_reply_to.empty() ? "+27831234567" : "+27821112223");
  append_field(out, "from_addr", in_reply_to.empty() ? "+27821112223" : "+27831234567");
  append_text(out, "in_reply_to");
  in_reply_to.empty() ? out.push_back('\xc0') : append_text(out, in_reply_to);
  append_field(out, "content", content);
  append_field(out, "transport_name", transport);
  append_text(out, "helper_metadata");
  out.push_back('\x80');
}

inline void write_question(std::string& out, uint64_t number, std::string_view transport) {
  const std::string id = number_text('q', number);
  write_user_message(out, id, transport, std::string(greeting) + id, {});
}

// The number of a whole question; empty: it is none.
inline std::optional<uint64_t> read_question(const MessageView& message) {
  const std::string_view id = message.text(Field::message_id);
  const std::string_view content = message.text(Field::content);
  if (!content.starts_with(greeting) || content.substr(greeting.size()) != id) return {};
  return read_number('q', id);
}

// The answer to `question`, under an id of its own.
inline void write_answer(std::string& out, std::string_view id, const MessageView& question) {
  write_user_message(out, id, question.text(Field::transport_name), question.text(Field::content),
                     question.text(Field::message_id));
}

// The number of the question that this is a whole answer to; empty: it is none.
inline std::optional<uint64_t> read_answer(const MessageView& message) {
  const std::string_view id = message.text(Field::in_reply_to);
  const std::string_view content = message.text(Field::content);
  if (!content.starts_with(greeting) || content.substr(greeting.size()) != id) return {};
  return read_number('q', id);
}

}  // namespace signalbox::endurance
