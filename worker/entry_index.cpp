#include "worker/entry_index.hpp"

namespace signalbox {

void EntryIndex::make_room(size_t count, size_t used) {
  const size_t capacity = (std::max(count, 2 * capacity_) + at_once - 1) / at_once * at_once;
  static_assert(at_once % sizeof(Entry) == 0, "the signatures fill whole entries");
  std::unique_ptr<Entry[]> larger(new Entry[capacity + capacity / sizeof(Entry)]());
  std::copy_n(entries(), used, larger.get());
  std::memcpy(larger.get() + capacity, signatures(), used);
  far_ = std::move(larger);
  capacity_ = capacity;
}

}  // namespace signalbox
