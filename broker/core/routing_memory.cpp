#include "broker/core/routing_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

// Inlined, hashing an id costs half: most of it is finding out how long the id is, and passing 16 bytes back.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "protocol/limits.hpp"

namespace signalbox {

namespace {

constexpr uint64_t fingerprint_mask = ~uint64_t{0xffff};
constexpr uint64_t ambiguous_source = 0xffff;
static_assert(limits::endpoints_max < ambiguous_source, "an endpoint fits 16 bits and leaves one value");

// "Until pushed out": so far ahead that it never passes, and still ordered by age among its like.
constexpr uint32_t never_s = 1U << 31;

// An entry's second word while a lane writes the first: ambiguous for whoever looks, and nobody else's to claim. Larger
// than any other, so that it is never the oldest.
constexpr uint64_t changing_hands = UINT64_MAX;

// So many dispatchers keep an id in the same bucket: half of it, so that no id pushes itself out.
constexpr uint32_t dispatchers_together = 4;

// The bits of a second word that number the entries of a bucket while the oldest is looked for.
constexpr uint64_t place_mask = 7;

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

RoutingMemory::RoutingMemory(uint64_t bytes, const std::array<char, 192>& hash_secret, Writers writers)
    : writers_(writers), bucket_count_(std::max<size_t>(1, bytes / sizeof(Bucket))), hash_secret_(hash_secret) {
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
  Key key;
  key.fingerprint = (hash.low64 ^ place) & fingerprint_mask;
  if (key.fingerprint == 0) key.fingerprint = uint64_t{1} << 16;
  // Where a message goes from one dispatcher to the next, the lines that were asked for the first are the next one's.
  const uint64_t bucket = scale(static_cast<uint32_t>(hash.high64), bucket_count_) + dispatcher / dispatchers_together;
  key.bucket = static_cast<uint32_t>(bucket < bucket_count_ ? bucket : bucket % bucket_count_);
  return key;
}

RoutingMemory::Entry* RoutingMemory::find_entry(const Key& key) const {
  std::array<Entry, entries_per_bucket>& entries = buckets_[key.bucket].entries;
#pragma GCC unroll 8
  for (size_t i = 0; i < entries_per_bucket; ++i) {
    if ((entries[i].who.load(std::memory_order_acquire) & fingerprint_mask) == key.fingerprint) return &entries[i];
  }
  return nullptr;
}

// Empty, or expired, or else the oldest. Ages are in no order, so it is found without a jump that could be guessed
// wrong: each word less its last bits, and there its place. Empty is less than expired, and expired less than live,
// since the expiry comes first in the word.
RoutingMemory::Entry& RoutingMemory::entry_to_replace(const Key& key) const {
  std::array<Entry, entries_per_bucket>& entries = buckets_[key.bucket].entries;
  const auto word = [&](size_t i) { return (entries[i].what.load(std::memory_order_relaxed) & ~place_mask) | i; };
  const auto lesser = [](uint64_t a, uint64_t b) { return a < b ? a : b; };  // by value: std::min goes through memory
  const auto least_of_four = [&](size_t i) {
    return lesser(lesser(word(i), word(i + 1)), lesser(word(i + 2), word(i + 3)));
  };
  return entries[lesser(least_of_four(0), least_of_four(4)) & place_mask];
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
  return what != changing_hands && expiry_of(what) > now_s && source_of(what) == ambiguous_source;
}

// Puts `what` in the place of `old`. False: another lane was quicker.
bool RoutingMemory::swap(std::atomic<uint64_t>& where, uint64_t old, uint64_t what) const {
  if (writers_ == Writers::several) return where.compare_exchange_strong(old, what, std::memory_order_acq_rel);
  where.store(what, std::memory_order_release);
  return true;
}

bool RoutingMemory::replace(Entry& entry, uint64_t old, uint64_t who, uint64_t what) const {
  // Only one of several lanes gets its claim in; whoever changes `what` otherwise does so by swap() too.
  if (!swap(entry.what, old, changing_hands)) return false;
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
    Entry& entry = known != nullptr ? *known : entry_to_replace(key);
    const uint64_t old = entry.what.load(std::memory_order_acquire);
    if (old == changing_hands) continue;
    const bool live = expiry_of(old) > now_s;
    // Filled by another lane since it was chosen: there may be an empty one beside it.
    if (known == nullptr && live && writers_ == Writers::several && &entry_to_replace(key) != &entry) continue;
    if (known == nullptr || !live) {
      if (replace(entry, old, key.fingerprint | sender, fresh)) {
        return known == nullptr && live ? Remembered::evicted : Remembered::anew;
      }
    } else {
      const uint64_t who = entry.who.load(std::memory_order_acquire);
      if ((who & fingerprint_mask) != key.fingerprint) continue;  // it has become another's
      if (source_of(old) == ambiguous_source) return Remembered::ambiguous;
      const bool same = (who & 0xffff) == sender;
      if (swap(entry.what, old, same ? fresh : ambiguous)) {
        return same ? Remembered::refreshed : Remembered::ambiguous;
      }
    }
  }
}

}  // namespace signalbox
