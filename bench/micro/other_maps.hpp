// What others would keep the routing memory in, at its kindest: the key is 16 bytes of the same keyed hash, not the
// id's text; where an entry is replaced, the caller says which one is the oldest, so there is no list of ages; and the
// map of the standard library uses the memory of the one for the other.
//
// Thread: any. Owns: the entries.
// Tested by bench/micro/routing_memory.cpp: what is looked for must be found.
#pragma once

#include <xxhash.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "protocol/header.hpp"

#ifdef SIGNALBOX_WITH_TBB
#include <oneapi/tbb/concurrent_hash_map.h>
#endif

namespace signalbox::bench {

struct HashedId {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const HashedId&) const = default;
};

inline HashedId hashed(Bytes id) {
  static constexpr std::array<char, 192> secret{};
  const XXH128_hash_t hash = XXH3_128bits_withSecret(id.data(), id.size(), secret.data(), secret.size());
  return {hash.low64, hash.high64};
}

struct HashOfId {
  size_t operator()(const HashedId& id) const noexcept { return id.low; }
  // As tbb::concurrent_hash_map asks.
  static size_t hash(const HashedId& id) { return id.low; }
  static bool equal(const HashedId& a, const HashedId& b) { return a == b; }
};

// Where a message came from, and until when that is known.
struct CameFrom {
  uint32_t expiry_s = 1000;
  uint16_t source = 1;
  uint16_t tag = 0;
};

class LockedMap {
 public:
  using Key = HashedId;
  static constexpr size_t entry_bytes = 64;  // about, with its share of buckets and of malloc's books

  explicit LockedMap(size_t entries) { map_.reserve(entries); }

  Key key(Bytes id) const { return hashed(id); }
  bool find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = map_.find(key);
    return found != map_.end() && found->second.source != 0;
  }
  void add(const Key& key) {
    const std::lock_guard lock(mutex_);
    map_.emplace(key, CameFrom());
  }
  void replace(const Key& oldest, const Key& added) {
    const std::lock_guard lock(mutex_);
    auto node = map_.extract(oldest);
    if (node.empty()) {
      map_.emplace(added, CameFrom());
      return;
    }
    node.key() = added;
    map_.insert(std::move(node));
  }

 private:
  std::mutex mutex_;
  std::unordered_map<HashedId, CameFrom, HashOfId> map_;
};

#ifdef SIGNALBOX_WITH_TBB
class TbbMap {
 public:
  using Key = HashedId;
  static constexpr size_t entry_bytes = 80;

  explicit TbbMap(size_t entries) : map_(entries) {}

  Key key(Bytes id) const { return hashed(id); }
  bool find(const Key& key) {
    decltype(map_)::const_accessor found;
    return map_.find(found, key) && found->second.source != 0;
  }
  void add(const Key& key) { map_.insert({key, CameFrom()}); }
  void replace(const Key& oldest, const Key& added) {
    map_.erase(oldest);
    add(added);
  }

 private:
  tbb::concurrent_hash_map<HashedId, CameFrom, HashOfId> map_;
};
#endif

}  // namespace signalbox::bench
