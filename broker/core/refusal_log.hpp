// The refusals of one session that its worker may still have to be told, or told again when it resumes.
//
// A peer can fill it with one byte a refusal, and many sessions are kept; so a row is 8 bytes, and a text that is the
// same as the one before is there once.
//
// Thread: the core's. Owns: the texts. Bounds: the caller keeps those of the last send_window numbers.
// Tested by refusal_log_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "broker/core/ring.hpp"
#include "protocol/codes.hpp"

namespace signalbox {

class RefusalLog {
 public:
  size_t size() const { return rows_.size(); }

  // The row `i`, the oldest first. REQUIRES: i < size().
  Seq seq(size_t i) const { return last_ - static_cast<uint32_t>(static_cast<uint32_t>(last_) - rows_[i].seq); }
  RefusalCode code(size_t i) const { return static_cast<RefusalCode>(rows_[i].text_and_code & 0xff); }
  const std::string& text(size_t i) const { return texts_[(rows_[i].text() - first_text_) & text_mask]; }

  // REQUIRES: `seq` is higher than any before, and all rows lie within 2^24 numbers.
  void add(Seq seq, RefusalCode code, std::string text) {
    if (texts_.empty() || texts_.back() != text) texts_.push_back(std::move(text));
    last_ = seq;
    const auto number = static_cast<uint32_t>(first_text_ + texts_.size() - 1) & text_mask;
    rows_.push_back({static_cast<uint32_t>(seq), number << 8 | static_cast<uint32_t>(code)});
  }

  void pop_front() {
    const bool last_of_its_text = rows_.size() == 1 || rows_[1].text() != rows_[0].text();
    rows_.pop_front();
    if (!last_of_its_text) return;
    texts_.pop_front();
    first_text_ = (first_text_ + 1) & text_mask;
  }

 private:
  static constexpr uint32_t text_mask = 0xffffff;

  struct Row {
    uint32_t seq = 0;            // modulo 2^32
    uint32_t text_and_code = 0;  // the text's number, modulo 2^24, and 8 bits of code

    uint32_t text() const { return text_and_code >> 8; }
  };
  static_assert(sizeof(Row) == 8, "many are kept");

  Ring<Row> rows_;
  Ring<std::string> texts_;
  uint32_t first_text_ = 0;  // the number of texts_[0]
  Seq last_ = 0;
};

}  // namespace signalbox
