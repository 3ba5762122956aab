#include "worker/message_id.hpp"

#include <pthread.h>
#include <sys/random.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace signalbox {
namespace {

constexpr size_t uuid_bytes = 16;

std::atomic<uint32_t> forks{0};

void watch_forks() {
  static std::once_flag watched;
  std::call_once(watched,
                 [] { pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); }); });
}

// 16 bytes for each id. Half of them are the kernel's, fresh each time, so that nobody foresees an id; the other half
// counts up from a random start, so that no two of a thread are alike. The kernel's bytes cost more than the rest of an
// id does.
class Source {
 public:
  std::array<uint64_t, 2> next() {
    if (left_ == 0 || forks_ != forks.load(std::memory_order_relaxed)) fill();
    counter_ += odd_step;
    return {random_[--left_], counter_};
  }

 private:
  // An odd step passes through all numbers before it comes back; this one changes most digits each time.
  static constexpr uint64_t odd_step = 0x9e3779b97f4a7c15;

  void fill() {
    watch_forks();
    forks_ = forks.load(std::memory_order_relaxed);
    // Up to 256 bytes never come short; a page may, where a signal falls in between.
    auto* const bytes = reinterpret_cast<char*>(random_.data());
    for (size_t filled = 0; filled < sizeof random_;) {
      const ssize_t got = getrandom(bytes + filled, sizeof random_ - filled, 0);
      if (got > 0) filled += static_cast<size_t>(got);
    }
    left_ = random_.size() - 1;
    counter_ = random_[left_];
  }

  std::array<uint64_t, 513> random_{};
  size_t left_ = 0;
  uint64_t counter_ = 0;
  uint32_t forks_ = 0;
};

// Both digits of each byte.
constexpr auto hexadecimal = [] {
  constexpr char digits[] = "0123456789abcdef";
  std::array<char, 512> pairs{};
  for (size_t byte = 0; byte < 256; ++byte) {
    pairs[2 * byte] = digits[byte >> 4];
    pairs[2 * byte + 1] = digits[byte & 15];
  }
  return pairs;
}();

}  // namespace

void write_message_id(char* at) {
  thread_local Source source;
  const std::array<uint64_t, 2> words = source.next();
  std::array<uint8_t, uuid_bytes> bytes;
  std::memcpy(bytes.data(), words.data(), bytes.size());
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);  // the variant of RFC 4122
  for (size_t i = 0; i < bytes.size(); ++i) std::memcpy(at + 2 * i, hexadecimal.data() + size_t{2} * bytes[i], 2);
}

std::string new_message_id() {
  std::string id(message_id_bytes, '0');
  write_message_id(id.data());
  return id;
}

}  // namespace signalbox
