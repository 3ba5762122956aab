// What a worker has handed over and the broker has not confirmed: numbered, batched, ready to be sent again.
//
// Messages are appended to blocks of bytes of about 192 KiB, in a ring whose blocks are used again. A cursor stands
// between what was transmitted and what was not; the batch to send next is what lies behind it in its block, so
// whatever gathered while the socket was busy travels together, and a lone message waits for nobody. A lost connection
// moves the cursor back; nothing else changes, so old messages leave under their old numbers.
//
// Bytes are given back block by block: a block that is confirmed in part still counts whole. That only ever makes the
// window narrower than the broker's, by less than one block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/codes.hpp"
#include "protocol/limits.hpp"
#include "worker/lendable_bytes.hpp"

namespace signalbox {

// Thread: one, the worker's.
// Owns:   the bytes of all unconfirmed messages.
// Errors: none; the callers ask first (fits, last_seq).
// Bounds: the window that WELCOME announced, in messages and in bytes (one message always fits).
// Tested by send_window_test.cpp.
class SendWindow {
 public:
  // Each batch costs a dozen system calls and three wake-ups on its way to the broker, however large it is: up to here
  // larger ones gain, beyond they only fall out of the processor's caches.
  static constexpr size_t block_bytes = 192 * limits::kibibyte;

  struct Batch {
    Seq first_seq = 0;
    uint64_t messages = 0;
    Bytes body;                             // until the next append, settle or rewind
    const LendableBytes* lender = nullptr;  // of the body; a loan keeps it for longer
  };

  // Until this is called nothing fits. May narrow a window that is in use: then it holds more than it transmits.
  void set_limits(uint64_t messages, uint64_t bytes, uint64_t batch_bytes);

  bool fits(size_t message_bytes) const;

  // Takes a message and gives it the next number. True: the blocks before the one that it went into are complete.
  // REQUIRES: fits(message.size()).
  bool append(Bytes message);

  // What to transmit now, at most a batch; empty: nothing, or nothing that the broker's window allows.
  [[nodiscard]] std::optional<Batch> next_batch() const;

  // `batch`, which next_batch gave last, has left.
  void transmitted(const Batch& batch);

  // Everything up to `upto` is settled and forgotten. What is settled already changes nothing.
  // REQUIRES: upto <= last_seq().
  void settle(Seq upto);

  // Transmission starts again behind `received` (a number that the broker has, or 0), at the oldest message held if
  // that comes later. REQUIRES: received <= last_seq().
  void rewind(Seq received);

  // An unsettled message; empty where it is none.
  Bytes message(Seq seq) const;

  Seq last_seq() const { return next_seq_ - 1; }  // the newest number given; 0: none yet
  Seq settled() const { return settled_; }
  uint64_t unsettled() const { return last_seq() - settled_; }
  Seq transmitted_upto() const { return next_to_send_ - 1; }  // since the last rewind
  bool all_transmitted() const { return next_to_send_ == next_seq_; }
  size_t held_bytes() const { return held_bytes_; }

  void check_invariants() const;

 private:
  struct Block {
    Seq first_seq = 0;
    uint64_t messages = 0;
    LendableBytes bytes;  // its capacity stays when the block is used again

    Seq end_seq() const { return first_seq + messages; }
  };

  Block& block(size_t index) { return ring_[(head_ + index) % ring_.size()]; }
  const Block& block(size_t index) const { return ring_[(head_ + index) % ring_.size()]; }
  Block& open_block(size_t message_bytes);
  void seek(Seq seq);
  size_t find(Seq seq) const;

  // From WELCOME.
  uint64_t window_messages_ = 0;
  uint64_t window_bytes_ = 0;
  uint64_t batch_bytes_max_ = limits::max_batch_bytes;

  // Blocks in use: count_ of them from head_ on, in order of their numbers.
  std::vector<Block> ring_{4};
  size_t head_ = 0;
  size_t count_ = 0;
  size_t held_bytes_ = 0;  // in them

  Seq next_seq_ = 1;
  Seq settled_ = 0;

  // The cursor: next_to_send_ lies at cursor_offset_ of block(cursor_block_), where there is a block.
  Seq next_to_send_ = 1;
  size_t cursor_block_ = 0;
  size_t cursor_offset_ = 0;
  size_t unsent_bytes_ = 0;  // behind the cursor
};

}  // namespace signalbox
