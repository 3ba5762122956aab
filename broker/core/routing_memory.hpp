// Where each message came from: message id -> endpoint, so that events and replies follow the message.
//
// A table of fixed size, set-associative: a bucket is eight entries in two cache lines side by side, which cost one
// visit to memory; an insert takes the place of the expired or else of the oldest. An entry is two words and holds no
// pointer, so that the table can later be a mapped file. What it keeps of a key is 48 bits of a keyed hash, plus what
// chose the bucket: at a billion lookups a day, one wrong answer in some hundred years, and nobody outside can aim for
// one.
//
// Lock-free: an entry changes hands by claiming its second word (compare-and-swap to a value that reads as ambiguous),
// then writing the first, then the second; a reader takes the first, the second, and the first again, and believes them
// only if the first has not changed. Readers never wait. Two lanes that insert the same new id at once may leave two
// entries; a reader finds either.
//
// Rejected: a hash map with a list for ages (an allocation and three cache misses a message, and no bound in bytes);
// storing ids (32 bytes and more for what 6 do).
//
// Thread: any, all functions. Owns: its table. Errors: none; what does not fit pushes out what is oldest.
// Bounds: the bytes that it was made with.
// Tested by routing_memory_test.cpp.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "routers/router.hpp"

namespace signalbox {

class RoutingMemory {
 public:
  enum class Direction : uint8_t { inbound, outbound };

  // One id, hashed: computed once, used for prefetch, find and remember.
  struct Key {
    uint64_t fingerprint = 0;  // 48 bits, in the upper ones; never 0
    uint32_t bucket = 0;
  };

  enum class Remembered : uint8_t {
    anew,
    refreshed,  // the same sender has used the id before
    ambiguous,  // another sender has: from now on the id is followed no more
    evicted,    // anew, and a live entry was pushed out for it
  };

  // Whether several threads remember at a time. One alone need not claim an entry by compare-and-swap, which would
  // make each message wait until all that was written before it has left the processor.
  enum class Writers : uint8_t { one, several };

  // `bytes` are rounded down to a whole number of buckets, at least one; the pages are touched as they are used.
  RoutingMemory(uint64_t bytes, const std::array<char, 192>& hash_secret, Writers writers = Writers::several);
  ~RoutingMemory();
  RoutingMemory(const RoutingMemory&) = delete;
  RoutingMemory& operator=(const RoutingMemory&) = delete;

  Key key(uint32_t dispatcher, Direction direction, std::string_view id) const;
  // Asks for the lines of a key that will be found or remembered soon.
  void prefetch(const Key& key) const {
    __builtin_prefetch(&buckets_[key.bucket].entries[0], 1);
    __builtin_prefetch(&buckets_[key.bucket].entries[entries_per_bucket / 2], 1);
  }

  // `sender` is whose id it is, where that is not `what.source`. `age_max_s` 0: until pushed out. Seconds are of any
  // clock that does not go back.
  Remembered remember(const Key& key, const Followed& what, EndpointId sender, uint32_t now_s, uint64_t age_max_s);
  Remembered remember(const Key& key, const Followed& what, uint32_t now_s, uint64_t age_max_s) {
    return remember(key, what, what.source, now_s, age_max_s);
  }
  // Empty where the id is unknown, expired or ambiguous.
  std::optional<Followed> find(const Key& key, uint32_t now_s) const;
  // It is known, but two senders have used it: why find() gave nothing, for people.
  bool is_ambiguous(const Key& key, uint32_t now_s) const;

  size_t entries_max() const { return bucket_count_ * entries_per_bucket; }

 private:
  static constexpr size_t entries_per_bucket = 8;

  // who:  fingerprint (48) | sender (16).      0: never used.
  // what: expiry in seconds (32) | source (16) | tag (16).  0: empty.
  struct Entry {
    std::atomic<uint64_t> who{0};
    std::atomic<uint64_t> what{0};
  };
  struct alignas(128) Bucket {
    std::array<Entry, entries_per_bucket> entries;
  };
  static_assert(sizeof(Entry) == 16 && sizeof(Bucket) == 128, "an entry is 16 bytes, a bucket two cache lines");

  inline Entry* find_entry(const Key& key) const;
  inline Entry& entry_to_replace(const Key& key) const;
  bool swap(std::atomic<uint64_t>& where, uint64_t old, uint64_t what) const;
  bool replace(Entry& entry, uint64_t old, uint64_t who, uint64_t what) const;

  const Writers writers_;
  Bucket* buckets_ = nullptr;
  size_t bucket_count_ = 0;
  size_t mapped_bytes_ = 0;
  std::array<char, 192> hash_secret_;
};

}  // namespace signalbox
