// Moments as vumi writes them: "2026-01-31 23:59:59.000000", in UTC.
//
// Thread: any. Owns: a text for the second that each thread wrote last, since most of a timestamp is that of the one
// before. Errors: as each says. Bounds: the years that the system's clock holds, 1677 to 2262. Tested by
// timestamp_test.cpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace signalbox {

using TimePoint = std::chrono::system_clock::time_point;

inline constexpr size_t timestamp_bytes = 26;

// Writes timestamp_bytes bytes at `at`.
void write_timestamp(char* at, TimePoint time);
[[nodiscard]] std::string to_timestamp(TimePoint time);
[[nodiscard]] std::string timestamp_now();

// Reads vumi's format, with a fraction of up to six digits or none, and with or without a Z behind it. Empty: it is
// something else.
[[nodiscard]] std::optional<TimePoint> parse_timestamp(std::string_view text);

}  // namespace signalbox
