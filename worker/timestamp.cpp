#include "worker/timestamp.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace signalbox {
namespace {

using namespace std::chrono;

constexpr size_t whole_seconds_bytes = 19;

// The two digits of each number up to 99.
constexpr auto two_digits = [] {
  std::array<char, 200> digits{};
  for (size_t number = 0; number < 100; ++number) {
    digits[2 * number] = static_cast<char>('0' + number / 10);
    digits[2 * number + 1] = static_cast<char>('0' + number % 10);
  }
  return digits;
}();

// REQUIRES: below 100.
void put_two(char* at, uint32_t number) {
  std::memcpy(at, two_digits.data() + size_t{2} * number, 2);
}

void write_second(char* at, sys_seconds second) {
  const auto day = floor<days>(second);
  const year_month_day date(day);
  const hh_mm_ss time(second - day);
  const auto year = static_cast<uint32_t>(static_cast<int>(date.year())) % 10000;
  std::memcpy(at, "0000-00-00 00:00:00", whole_seconds_bytes);
  put_two(at, year / 100);
  put_two(at + 2, year % 100);
  put_two(at + 5, static_cast<unsigned>(date.month()));
  put_two(at + 8, static_cast<unsigned>(date.day()));
  put_two(at + 11, static_cast<uint32_t>(time.hours().count()));
  put_two(at + 14, static_cast<uint32_t>(time.minutes().count()));
  put_two(at + 17, static_cast<uint32_t>(time.seconds().count()));
}

// Reads numbers of a fixed number of digits, one behind the other.
class Digits {
 public:
  explicit Digits(std::string_view text) : rest_(text) {}

  int number(size_t digits) {
    int number = 0;
    for (size_t i = 0; i < digits; ++i) number = number * 10 + digit();
    return number;
  }
  void expect(char separator) {
    if (!accept(separator)) good_ = false;
  }
  bool accept(char separator) {
    const bool is_there = !rest_.empty() && rest_[0] == separator;
    if (is_there) rest_.remove_prefix(1);
    return is_there;
  }
  bool at_digit() const { return !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; }
  bool good_to_the_end() const { return good_ && rest_.empty(); }

 private:
  int digit() {
    if (!at_digit()) {
      good_ = false;
      return 0;
    }
    const int value = rest_[0] - '0';
    rest_.remove_prefix(1);
    return value;
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

void write_timestamp(char* at, TimePoint time) {
  thread_local sys_seconds last_second = sys_seconds::min();
  thread_local std::array<char, whole_seconds_bytes> last_text;
  const auto second = floor<seconds>(time);
  if (second != last_second) {
    write_second(last_text.data(), second);
    last_second = second;
  }
  std::memcpy(at, last_text.data(), whole_seconds_bytes);
  const auto fraction = static_cast<uint32_t>(floor<microseconds>(time - second).count());
  at[whole_seconds_bytes] = '.';
  put_two(at + 20, fraction / 10000);
  put_two(at + 22, fraction / 100 % 100);
  put_two(at + 24, fraction % 100);
}

std::string to_timestamp(TimePoint time) {
  std::string text(timestamp_bytes, '0');
  write_timestamp(text.data(), time);
  return text;
}

std::string timestamp_now() {
  return to_timestamp(system_clock::now());
}

std::optional<TimePoint> parse_timestamp(std::string_view text) {
  Digits digits(text);
  const int years = digits.number(4);
  digits.expect('-');
  const auto months = static_cast<unsigned>(digits.number(2));
  digits.expect('-');
  const auto days_of_month = static_cast<unsigned>(digits.number(2));
  digits.expect(' ');
  const int hour = digits.number(2);
  digits.expect(':');
  const int minute = digits.number(2);
  digits.expect(':');
  const int second = digits.number(2);
  int microsecond = 0;
  if (digits.accept('.')) {
    int scale = 100'000;
    microsecond = digits.number(1) * scale;
    while (digits.at_digit() && scale > 1) microsecond += digits.number(1) * (scale /= 10);
  }
  digits.accept('Z');
  const year_month_day date{year(years), month(months), day(days_of_month)};
  if (!digits.good_to_the_end() || !date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const sys_time<microseconds> time =
      sys_days(date) + hours(hour) + minutes(minute) + seconds(second) + microseconds(microsecond);
  // The clock counts nanoseconds, and holds fewer years than the text.
  if (time < ceil<microseconds>(TimePoint::min()) || time > floor<microseconds>(TimePoint::max())) return std::nullopt;
  return time;
}

}  // namespace signalbox
