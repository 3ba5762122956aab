#include "broker/core/routing_memory.hpp"

#include <sys/mman.h>
#include <xxhash.h>

#include <algorithm>
#include <new>

#include "protocol/limits.hpp"

namespace signalbox {

namespace {

constexpr uint64_t fingerprint_mask = ~uint64_t{0xffff};
constexpr uint64_t ambiguous_source = 0xffff;
static_assert(limits::endpoints_max < ambiguous_source, "an endpoint fits 16 bits and leaves one value");

// "Until pushed out": so far ahead that it never passes, and still ordered by age among its like.
constexpr uint32_t never_s = 1U << 31;

// An entry's second word while a lane writes the first: expired for whoever looks, and nobody else's to claim.
constexpr uint64_t changing_hands = 1;

uint32_t expiry_of(uint64_t what) {
  return static_cast<uint32_t>(what >> 32);
}
uint64_t source_of(uint64_t what) {
  return what >> 16 & 0xffff;
}

uint64_t pack(const Followed& followed, uint32_t expiry_s) {
  return uint64_t{expiry_s} << 32 | uint64_t{followed.source} << 16 | followed.tag;
}

// Maps 32 random bits to 0..count-1 without a division.
uint32_t scale(uint32_t random, size_t count) {
  return static_cast<uint32_t>(random * uint64_t{count} >> 32);
}

}  // namespace

RoutingMemory::RoutingMemory(uint64_t bytes, const std::array<char, 192>& hash_secret)
    : bucket_count_(std::max<size_t>(2, bytes / sizeof(Bucket) & ~size_t{1})), hash_secret_(hash_secret) {
  // Straight from the kernel: zero pages that cost nothing until they are used. All zero is an empty table.
  mapped_bytes_ = bucket_count_ * sizeof(Bucket);
  void* memory =
      ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Two accesses at random places a message: with small pages each would miss the TLB as well.
  ::madvise(memory, mapped_bytes_, MADV_HUGEPAGE);
  buckets_ = static_cast<Bucket*>(memory);
}

RoutingMemory::~RoutingMemory() {
  ::munmap(buckets_, mapped_bytes_);
}

RoutingMemory::Key RoutingMemory::key(uint32_t dispatcher, Direction direction, std::string_view id) const {
  const XXH128_hash_t hash = XXH3_128bits_withSecret(id.data(), id.size(), hash_secret_.data(), hash_secret_.size());
  // The same id in another dispatcher or direction is another key. Odd multiplier: different inputs stay different.
  const uint64_t place = (uint64_t{dispatcher} * 2 + static_cast<uint64_t>(direction) + 1) * 0x9e3779b97f4a7c15ULL;
  const uint64_t who = hash.low64 ^ place;
  const uint64_t where = hash.high64 + place;
  Key key;
  key.fingerprint = who & fingerprint_mask;
  if (key.fingerprint == 0) key.fingerprint = uint64_t{1} << 16;
  key.first_bucket = scale(static_cast<uint32_t>(where), bucket_count_);
  key.second_bucket = key.first_bucket ^ 1;
  return key;
}

void RoutingMemory::prefetch(const Key& key) const {
  __builtin_prefetch(&buckets_[key.first_bucket], 1);
  __builtin_prefetch(&buckets_[key.second_bucket], 1);
}

RoutingMemory::Entry* RoutingMemory::find_entry(const Key& key) const {
  for (const uint32_t bucket : {key.first_bucket, key.second_bucket}) {
    for (Entry& entry : buckets_[bucket].entries) {
      if ((entry.who.load(std::memory_order_acquire) & fingerprint_mask) == key.fingerprint) return &entry;
    }
  }
  return nullptr;
}

std::optional<Followed> RoutingMemory::find(const Key& key, uint32_t now_s) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return std::nullopt;
  const uint64_t what = entry->what.load(std::memory_order_acquire);
  if ((entry->who.load(std::memory_order_acquire) & fingerprint_mask) != key.fingerprint) return std::nullopt;
  if (what == 0 || expiry_of(what) <= now_s || source_of(what) == ambiguous_source) return std::nullopt;
  return Followed{static_cast<EndpointId>(source_of(what)), static_cast<uint16_t>(what)};
}

bool RoutingMemory::is_ambiguous(const Key& key, uint32_t now_s) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return false;
  const uint64_t what = entry->what.load(std::memory_order_acquire);
  return what != 0 && expiry_of(what) > now_s && source_of(what) == ambiguous_source;
}

RoutingMemory::Entry& RoutingMemory::entry_to_replace(const Key& key, uint32_t now_s) const {
  Entry* oldest = nullptr;
  uint32_t oldest_expiry_s = 0;
  for (const uint32_t bucket : {key.first_bucket, key.second_bucket}) {
    for (Entry& entry : buckets_[bucket].entries) {
      const uint64_t what = entry.what.load(std::memory_order_relaxed);
      if (what == changing_hands) continue;
      const uint32_t expiry_s = expiry_of(what);
      if (expiry_s <= now_s) return entry;
      if (oldest == nullptr || expiry_s < oldest_expiry_s) {
        oldest = &entry;
        oldest_expiry_s = expiry_s;
      }
    }
  }
  // More lanes than entries at once in one bucket: cannot be, but a place is owed.
  return oldest != nullptr ? *oldest : buckets_[key.first_bucket].entries[0];
}

bool RoutingMemory::replace(Entry& entry, uint64_t old, uint64_t who, uint64_t what) {
  // Only one of several lanes gets its claim in; whoever changes `what` otherwise does so by compare-and-swap too.
  if (old == changing_hands || !entry.what.compare_exchange_strong(old, changing_hands, std::memory_order_acq_rel)) {
    return false;
  }
  entry.who.store(who, std::memory_order_release);
  entry.what.store(what, std::memory_order_release);
  return true;
}

RoutingMemory::Remembered RoutingMemory::remember(const Key& key, const Followed& what, EndpointId whose,
                                                  uint32_t now_s, uint64_t age_max_s) {
  const uint64_t age_s = age_max_s == 0 ? never_s : std::min<uint64_t>(age_max_s, never_s - 1);
  const auto expiry_s = static_cast<uint32_t>(now_s + age_s);
  const uint64_t fresh = pack(what, expiry_s);
  const uint64_t ambiguous = pack({static_cast<EndpointId>(ambiguous_source), 0}, expiry_s);
  const uint64_t sender = whose & 0xffff;

  for (;;) {  // again only when another lane was at the same entry in between
    Entry* const known = find_entry(key);
    Entry& entry = known != nullptr ? *known : entry_to_replace(key, now_s);
    uint64_t old = entry.what.load(std::memory_order_acquire);
    const bool live = expiry_of(old) > now_s;
    if (known == nullptr || !live) {
      if (replace(entry, old, key.fingerprint | sender, fresh)) {
        return known == nullptr && live ? Remembered::evicted : Remembered::anew;
      }
    } else if (source_of(old) == ambiguous_source) {
      return Remembered::ambiguous;
    } else {
      const bool same = (entry.who.load(std::memory_order_acquire) & 0xffff) == sender;
      if (entry.what.compare_exchange_strong(old, same ? fresh : ambiguous, std::memory_order_acq_rel)) {
        return same ? Remembered::refreshed : Remembered::ambiguous;
      }
    }
  }
}

}  // namespace signalbox
