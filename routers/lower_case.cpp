#include "routers/lower_case.hpp"

#include <unicode/ucasemap.h>

#include <algorithm>
#include <stdexcept>

#include "protocol/text.hpp"

namespace signalbox {

namespace {

bool is_upper(char letter) {
  return letter >= 'A' && letter <= 'Z';
}

}  // namespace

struct LowerCase::Mapper {
  UErrorCode error = U_ZERO_ERROR;
  UCaseMap* map = ucasemap_open("", 0, &error);
  ~Mapper() { ucasemap_close(map); }
};

LowerCase::LowerCase() : mapper_(std::make_unique<Mapper>()) {
  if (U_FAILURE(mapper_->error)) throw std::runtime_error("ICU has no data to lower-case with");
}
LowerCase::~LowerCase() = default;

std::string_view LowerCase::operator()(std::string_view text) {
  if (is_ascii(text)) {
    if (std::ranges::none_of(text, is_upper)) return text;
    buffer_.assign(text);
    for (char& letter : buffer_) {
      if (is_upper(letter)) letter = static_cast<char>(letter - 'A' + 'a');
    }
    return buffer_;
  }
  // A lower-cased character can be half as long again.
  buffer_.resize(std::max(buffer_.size(), 2 * text.size() + 16));
  UErrorCode error = U_ZERO_ERROR;
  const int32_t length = ucasemap_utf8ToLower(mapper_->map, buffer_.data(), static_cast<int32_t>(buffer_.size()),
                                              text.data(), static_cast<int32_t>(text.size()), &error);
  if (U_FAILURE(error)) return text;
  return std::string_view(buffer_).substr(0, static_cast<size_t>(length));
}

}  // namespace signalbox
