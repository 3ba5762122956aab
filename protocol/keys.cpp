#include "protocol/keys.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace signalbox {

namespace {

// Z85 of ZeroMQ's RFC 32: each five characters are a number to the base of 85, most significant first, and stand for
// four bytes, most significant first.
constexpr std::string_view alphabet =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
constexpr size_t group_bytes = 4;
constexpr size_t group_characters = 5;
static_assert(alphabet.size() == 85 && key_bytes * group_characters == key_characters * group_bytes);

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

std::string_view first_line(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(blanks)));
    // '#' is a character of Z85 too: only a line that cannot be a key is a remark.
    line = line.substr(0, line.find_last_not_of(blanks) + 1);
    if (!line.empty() && (line[0] != '#' || key_from_text(line))) return line;
  }
  return {};
}

}  // namespace

std::optional<std::string> key_from_text(std::string_view text) {
  if (text.size() != key_characters) return {};
  std::string key;
  for (size_t at = 0; at < text.size(); at += group_characters) {
    uint64_t number = 0;
    for (const char character : text.substr(at, group_characters)) {
      const size_t digit = alphabet.find(character);
      if (digit == std::string_view::npos) return {};
      number = number * alphabet.size() + digit;
    }
    if (number > UINT32_MAX) return {};
    for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift & 0xff));
  }
  return key;
}

std::string text_of_key(Bytes key) {
  std::string text;
  for (size_t at = 0; at < key.size(); at += group_bytes) {
    uint64_t number = 0;
    for (const char byte : key.substr(at, group_bytes)) number = number << 8 | static_cast<unsigned char>(byte);
    char group[group_characters];
    for (size_t i = group_characters; i > 0; --i, number /= alphabet.size()) {
      group[i - 1] = alphabet[number % alphabet.size()];
    }
    text.append(group, sizeof group);
  }
  return text;
}

void wipe(std::string& secret) {
  explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

SecretKey::SecretKey(Bytes key) : is_given_(true) {
  std::copy_n(key.begin(), std::min(key.size(), bytes_.size()), bytes_.begin());
}

SecretKey::~SecretKey() {
  explicit_bzero(bytes_.data(), bytes_.size());
}

KeyFile read_key_file(const std::string& path, bool is_secret) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return {{}, std::string("cannot be read: ") + strerror(errno)};
  if (!S_ISREG(status.st_mode)) return {{}, "is no file"};
  if (is_secret && (status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return {{}, "holds a secret, and every user of this host may read or write it: chmod o= would mend that"};
  }
  std::string bytes(key_file_bytes_max, '\0');
  const ssize_t got = read(file.get(), bytes.data(), bytes.size());
  const std::string_view line = got > 0 ? first_line({bytes.data(), static_cast<size_t>(got)}) : std::string_view();
  KeyFile result;
  if (key_from_text(line)) {
    result.text = line;
  } else {
    result.fault = "holds no key: its first line must be 40 characters of Z85, as `signalbox keygen` writes them";
  }
  wipe(bytes);
  return result;
}

}  // namespace signalbox
