#include "worker/send_window.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "protocol/message_view.hpp"

namespace signalbox {
namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "signalbox: send window: %s\n", what);
  std::abort();
}

// Bytes of the message at the start of `rest`. What was handed over as no whole map counts as all that is left of its
// block: the broker will say what is wrong with it.
size_t message_bytes_at(Bytes rest) {
  return map_bytes(rest).value_or(rest.size());
}

size_t offset_of(Bytes block, uint64_t messages_before) {
  size_t offset = 0;
  for (uint64_t i = 0; i < messages_before && offset < block.size(); ++i) {
    offset += message_bytes_at(block.substr(offset));
  }
  return offset;
}

}  // namespace

void SendWindow::set_limits(uint64_t messages, uint64_t bytes, uint64_t batch_bytes) {
  window_messages_ = std::max<uint64_t>(messages, 1);
  window_bytes_ = bytes;
  batch_bytes_max_ = batch_bytes;
}

bool SendWindow::fits(size_t message_bytes) const {
  if (unsettled() >= window_messages_) return false;
  return unsettled() == 0 || held_bytes_ + message_bytes <= window_bytes_;
}

SendWindow::Block& SendWindow::open_block(size_t message_bytes) {
  if (count_ == ring_.size()) {
    std::rotate(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(head_), ring_.end());
    head_ = 0;
    ring_.resize(ring_.size() * 2);
  }
  Block& opened = block(count_++);
  opened.first_seq = next_seq_;
  opened.messages = 0;
  const bool is_huge = opened.bytes.capacity() > 2 * block_bytes;  // one huge message is no habit
  if (is_huge || opened.bytes.capacity() < std::max(block_bytes, message_bytes) || opened.bytes.is_lent())
    opened.bytes = LendableBytes(std::max(block_bytes, message_bytes));
  opened.bytes.clear();
  return opened;
}

bool SendWindow::append(Bytes message) {
  const bool open = count_ == 0 || block(count_ - 1).bytes.size() + message.size() > block_bytes;
  Block& tail = open ? open_block(message.size()) : block(count_ - 1);
  tail.bytes.append(message);
  ++tail.messages;
  ++next_seq_;
  held_bytes_ += message.size();
  unsent_bytes_ += message.size();
  return open && count_ > 1;
}

std::optional<SendWindow::Batch> SendWindow::next_batch() const {
  if (all_transmitted()) return std::nullopt;
  const bool at_block_end = cursor_offset_ == block(cursor_block_).bytes.size();
  const Block& from = block(at_block_end ? cursor_block_ + 1 : cursor_block_);
  Batch batch{next_to_send_, from.end_seq() - next_to_send_,
              from.bytes.bytes().substr(at_block_end ? 0 : cursor_offset_), &from.bytes};

  const uint64_t in_flight = next_to_send_ - 1 - settled_;
  const uint64_t in_flight_bytes = in_flight == 0 ? 0 : held_bytes_ - unsent_bytes_;
  if (in_flight >= window_messages_) return std::nullopt;
  const uint64_t messages_max = window_messages_ - in_flight;
  const uint64_t bytes_left = window_bytes_ > in_flight_bytes ? window_bytes_ - in_flight_bytes : 0;
  const uint64_t bytes_max = std::min(batch_bytes_max_, bytes_left);
  if (batch.messages <= messages_max && batch.body.size() <= bytes_max) return batch;

  // The broker came back with narrower limits than those that the block was filled under: as many as they allow.
  size_t bytes = 0;
  uint64_t messages = 0;
  while (messages < std::min(batch.messages, messages_max)) {
    const size_t next = message_bytes_at(batch.body.substr(bytes));
    const bool always_goes = messages == 0 && in_flight == 0;
    if (!always_goes && bytes + next > bytes_max) break;
    bytes += next;
    ++messages;
  }
  if (messages == 0) return std::nullopt;
  return Batch{batch.first_seq, messages, batch.body.substr(0, bytes), batch.lender};
}

void SendWindow::transmitted(const Batch& batch) {
  if (cursor_offset_ == block(cursor_block_).bytes.size()) {
    ++cursor_block_;
    cursor_offset_ = 0;
  }
  cursor_offset_ += batch.body.size();
  next_to_send_ += batch.messages;
  unsent_bytes_ -= batch.body.size();
}

void SendWindow::settle(Seq upto) {
  if (upto <= settled_) return;
  require(upto < next_seq_, "a number was settled that was never given");
  settled_ = upto;
  // After a resume the broker may settle what it had received before, while it has yet to be sent again.
  if (next_to_send_ <= upto) seek(upto + 1);
  while (count_ > 0 && block(0).end_seq() - 1 <= upto) {
    held_bytes_ -= block(0).bytes.size();
    head_ = (head_ + 1) % ring_.size();
    --count_;
    if (cursor_block_ > 0) {
      --cursor_block_;
    } else {
      cursor_offset_ = 0;
    }
  }
}

void SendWindow::rewind(Seq received) {
  require(received < next_seq_, "a number was received that was never given");
  seek(std::max(received, settled_) + 1);
}

void SendWindow::seek(Seq seq) {
  next_to_send_ = seq;
  cursor_block_ = 0;
  cursor_offset_ = 0;
  unsent_bytes_ = 0;
  if (count_ == 0) return;
  cursor_block_ = find(seq);
  const Block& at = block(cursor_block_);
  cursor_offset_ = seq >= at.end_seq() ? at.bytes.size() : offset_of(at.bytes.bytes(), seq - at.first_seq);
  unsent_bytes_ = at.bytes.size() - cursor_offset_;
  for (size_t i = cursor_block_ + 1; i < count_; ++i) unsent_bytes_ += block(i).bytes.size();
}

// The block that holds `seq`, or the last one. REQUIRES: count_ > 0.
size_t SendWindow::find(Seq seq) const {
  size_t index = 0;
  while (index + 1 < count_ && block(index).end_seq() <= seq) ++index;
  return index;
}

Bytes SendWindow::message(Seq seq) const {
  if (seq <= settled_ || seq >= next_seq_) return {};
  const Block& holder = block(find(seq));
  const Bytes rest = holder.bytes.bytes().substr(offset_of(holder.bytes.bytes(), seq - holder.first_seq));
  return rest.substr(0, message_bytes_at(rest));
}

void SendWindow::check_invariants() const {
  require(settled_ < next_seq_ && next_to_send_ <= next_seq_ && settled_ < next_to_send_, "numbers out of order");
  size_t bytes = 0;
  size_t unsent = 0;
  for (size_t i = 0; i < count_; ++i) {
    const Block& each = block(i);
    bytes += each.bytes.size();
    if (i > cursor_block_) unsent += each.bytes.size();
    if (i == cursor_block_) unsent += each.bytes.size() - cursor_offset_;
    require(each.messages > 0, "an empty block");
    require(i + 1 == count_ ? each.end_seq() == next_seq_ : each.end_seq() == block(i + 1).first_seq,
            "blocks do not join");
  }
  require(bytes == held_bytes_, "bytes held do not add up");
  require(unsent == unsent_bytes_, "bytes unsent do not add up");
  require(count_ == 0 ? unsettled() == 0 : block(0).end_seq() > settled_ + 1, "a settled block is still held");
}

}  // namespace signalbox
