// The store in memory: a hash table over a list in the order of renewal, the longest unrenewed at its end. Since all
// entries of a table are kept for the same time, those that have expired stand at that end too.
#include "routers/state_store.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "routers/router.hpp"

namespace signalbox {

namespace {

// So many expired entries are dropped at each write, so that they go as fast as others come.
constexpr int dropped_a_write = 2;

// Keys are what users write, so their hash has a secret: nobody can make many keys that fall into one place.
class KeyedHash {
 public:
  using Secret = std::array<char, 192>;

  // Shared, since a table's entries may move to another store.
  explicit KeyedHash(std::shared_ptr<const Secret> secret) : secret_(std::move(secret)) {}
  size_t operator()(std::string_view key) const noexcept {
    return XXH3_64bits_withSecret(key.data(), key.size(), secret_->data(), secret_->size());
  }

  // From the machine's randomness, of which little is drawn, since that is slow.
  static std::shared_ptr<const Secret> make_secret() {
    std::random_device random;
    std::mt19937_64 generator(uint64_t{random()} << 32 | random());
    auto secret = std::make_shared<Secret>();
    for (char& byte : *secret) byte = static_cast<char>(generator());
    return secret;
  }

 private:
  std::shared_ptr<const Secret> secret_;
};

class MemoryStateStore;

class MemoryStateTable final : public StateTable {
 public:
  // `store` must outlive the table.
  MemoryStateTable(StateTableSettings settings, MemoryStateStore& store);
  ~MemoryStateTable() override;
  MemoryStateTable(const MemoryStateTable&) = delete;
  MemoryStateTable& operator=(const MemoryStateTable&) = delete;

  std::optional<std::string_view> get(std::string_view key, const Time& now) override {
    const auto found = places_.find(key);
    if (found == places_.end()) return std::nullopt;
    const Place place = found->second;
    if (has_expired(*place, now)) {
      drop(place);
      return std::nullopt;
    }
    if (settings_.reading_renews) renew(place, now);
    return place->value;
  }

  void put(std::string_view key, std::string_view value, const Time& now) override {
    for (int i = 0; i < dropped_a_write && !entries_.empty() && has_expired(entries_.back(), now); ++i) {
      drop(std::prev(entries_.end()));
    }
    if (const auto found = places_.find(key); found != places_.end()) {
      bytes_ = bytes_ - found->second->value.size() + value.size();
      found->second->value.assign(value);
      renew(found->second, now);
    } else {
      entries_.push_front({std::string(key), std::string(value), now.monotonic_ms});
      places_.emplace(entries_.front().key, entries_.begin());
      bytes_ += key.size() + value.size();
    }
    keep_within_bounds(&now);
  }

  void erase(std::string_view key) override {
    if (const auto found = places_.find(key); found != places_.end()) drop(found->second);
  }

  uint64_t size() const override { return entries_.size(); }

  const std::string& name() const { return settings_.name; }

  // The other's entries instead of its own, which there are none of.
  void take_over(MemoryStateTable& before) {
    entries_.swap(before.entries_);
    places_.swap(before.places_);
    std::swap(bytes_, before.bytes_);
    keep_within_bounds(nullptr);
  }

 private:
  struct Entry {
    std::string key;
    std::string value;
    uint64_t renewed_ms = 0;
  };
  using Place = std::list<Entry>::iterator;

  bool has_expired(const Entry& entry, const Time& now) const {
    return settings_.keep_ms > 0 && now.monotonic_ms - entry.renewed_ms > settings_.keep_ms;
  }

  void renew(Place place, const Time& now) {
    place->renewed_ms = now.monotonic_ms;
    entries_.splice(entries_.begin(), entries_, place);
  }

  // Without a time every entry that has to go counts as still good.
  void keep_within_bounds(const Time* now);

  void drop(Place place) {
    bytes_ -= place->key.size() + place->value.size();
    places_.erase(place->key);
    entries_.erase(place);
  }

  StateTableSettings settings_;
  MemoryStateStore& store_;
  std::list<Entry> entries_;                                       // the latest renewed first
  std::unordered_map<std::string_view, Place, KeyedHash> places_;  // its keys are those of the entries
  uint64_t bytes_ = 0;
};

class MemoryStateStore final : public StateStore {
 public:
  std::unique_ptr<StateTable> open(StateTableSettings settings) override {
    return std::make_unique<MemoryStateTable>(std::move(settings), *this);
  }
  uint64_t evicted() const override { return evicted_; }

  void take_over(StateStore& before) override {
    evicted_ += before.evicted();
    auto* other = dynamic_cast<MemoryStateStore*>(&before);
    if (other == nullptr) return;
    for (MemoryStateTable* table : tables_) {
      const auto same = [&](const MemoryStateTable* one) { return one->name() == table->name() && one->size() > 0; };
      const auto found = std::ranges::find_if(other->tables_, same);
      if (found != other->tables_.end()) table->take_over(**found);
    }
    for (const MemoryStateTable* table : other->tables_) evicted_ += table->size();
  }

  // For the tables.
  const std::shared_ptr<const KeyedHash::Secret>& secret() const { return secret_; }
  void opened(MemoryStateTable& table) { tables_.push_back(&table); }
  void closed(MemoryStateTable& table) { std::erase(tables_, &table); }
  void count_evicted() { ++evicted_; }

 private:
  const std::shared_ptr<const KeyedHash::Secret> secret_ = KeyedHash::make_secret();
  std::vector<MemoryStateTable*> tables_;  // those that are open
  uint64_t evicted_ = 0;
};

MemoryStateTable::MemoryStateTable(StateTableSettings settings, MemoryStateStore& store)
    : settings_(std::move(settings)), store_(store), places_(0, KeyedHash(store.secret())) {
  settings_.entries_max = std::max<uint64_t>(settings_.entries_max, 1);
  store_.opened(*this);
}

MemoryStateTable::~MemoryStateTable() {
  store_.closed(*this);
}

void MemoryStateTable::keep_within_bounds(const Time* now) {
  while (entries_.size() > 1 &&
         (entries_.size() > settings_.entries_max || bytes_ / state_entry_bytes_max >= settings_.entries_max)) {
    if (now == nullptr || !has_expired(entries_.back(), *now)) store_.count_evicted();
    drop(std::prev(entries_.end()));
  }
}

}  // namespace

std::unique_ptr<StateStore> memory_state_store() {
  return std::make_unique<MemoryStateStore>();
}

}  // namespace signalbox
