// What vumi, vumi2 and Junebug call things: which key of theirs holds what, and which mean something to them alone.
//
// YAML says of `1` that it is a number and of `no` that it is false. A bus knows mostly names, addresses, keywords and
// patterns, and there such a word is what it looks like. So each key says what its values are.
//
// Thread: any; constant. Tested by tests/program/import_test.py.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace signalbox {

enum class VumiValue : uint8_t {
  texts,     // names, addresses, keywords, however deep
  patterns,  // regular expressions of Python's
  number,
  boolean,
  fields,  // a table or a list of tables: each key says what it holds
  pieces,  // a list of tables in which each value has fields
  typed    // as YAML reads it
};

// What stands under a key of a dispatcher, of an item of its lists, or of the options of middleware.
[[nodiscard]] VumiValue vumi_value_of(std::string_view key);

// Why a key of a dispatcher has nothing to do here; empty: it is none of those.
[[nodiscard]] std::string_view vumi_alone(std::string_view key);

// What to do instead of a class of middleware that there is not; empty where nothing is known of it.
[[nodiscard]] std::string_view instead_of_middleware(std::string_view class_name);

// The keys that an item of this list or table may have; null: it is none with fields.
[[nodiscard]] const std::vector<std::string_view>* item_fields(std::string_view key);

}  // namespace signalbox
