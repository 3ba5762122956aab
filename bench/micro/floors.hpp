// What the machine itself takes for the least that a part has to do: copy the bytes, or fetch a line of memory. Every
// row of the table names its floor; the floors are measured among the rest.
//
// Thread: any; no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace signalbox::bench {

// Working sets: what lies in the first cache, a batch as it comes and goes, what 4,096 messages go round in, and what
// no cache holds.
inline constexpr size_t first_cache_kib = 8;
inline constexpr size_t batch_kib = 64;
inline constexpr size_t round_kib = 2048;
inline constexpr size_t apart_kib = 128 * 1024;

// Copying messages of that size, from one working set of so many KiB to another.
inline std::string copy_floor(size_t message_bytes, size_t set_kib) {
  return "floor_copy/" + std::to_string(message_bytes) + "/" + std::to_string(set_kib);
}

// Copying each message of a batch to so many places.
inline std::string copies_floor(size_t message_bytes, size_t copies) {
  return "floor_copies/" + std::to_string(message_bytes) + "/" + std::to_string(copies);
}

// Random cache lines of a table of so many million entries of 16 bytes, each read and changed, by so many threads: one
// after the other, where the next is not known before the last is there; or as many at once as the processor takes.
// What looks its ids up one by one stands on the first, and is let off lightly: nothing forces it to wait.
enum class Lines : uint8_t { one_by_one, at_once };

inline std::string line_floor(Lines lines, size_t million_entries, int threads = 1) {
  const std::string name =
      (lines == Lines::one_by_one ? "floor_line/" : "floor_lines/") + std::to_string(million_entries);
  return threads > 1 ? name + "/threads:" + std::to_string(threads) : name;
}

// For tables of this size, by 1, 2, 4 ... threads.
void register_line_floors(size_t million_entries, int threads_max);

}  // namespace signalbox::bench
