// What the broker delivers: handing it out, holding it, settling it (protocol page, section 5).
#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include "protocol/message_view.hpp"
#include "protocol/text.hpp"
#include "worker/within.hpp"
#include "worker/worker.hpp"

namespace signalbox {

namespace {

constexpr size_t quick_handlers_max = 7;  // between two readings of the clock

}  // namespace

size_t Worker::deliver() {
  if (!has_handler() || in_handler_ || in_hand_) return 0;
  size_t handled = 0;
  // Reading the clock costs as much as a quick handler: while handlers are quick it is read for every few of them.
  Time clocked_at = flushed_at_;
  size_t unclocked = 0;
  size_t unclocked_max = 0;
  while (!paused_ && next_delivery()) {
    hand_out();
    ++handled;
    if (stopped_.load(std::memory_order_relaxed)) break;
    if (unclocked++ < unclocked_max) continue;
    const Time now = Clock::now();
    unclocked = 0;
    unclocked_max = now - clocked_at < flush_interval / 8 ? std::min(2 * unclocked_max + 1, quick_handlers_max) : 0;
    clocked_at = now;
    if (now - flushed_at_ >= flush_interval) flush();
  }
  return handled;
}

// Makes current_delivery_ the oldest message not yet handed out. It stays so until finish_in_hand().
bool Worker::next_delivery() {
  if (current_rest_.empty()) {
    if (inbox_head_ == inbox_.size()) return false;
    DeliveredBatch& next = inbox_[inbox_head_++];
    current_ = std::move(next.body);
    current_rest_ = current_.bytes();
    current_redelivered_ = next.redelivered;
    if (next.first_seq != next_delivered_) {
      fail("the numbers of the broker's deliveries do not join");
      return false;
    }
    if (inbox_head_ == inbox_.size()) {
      inbox_.clear();
      inbox_head_ = 0;
    }
  }
  // One pass finds where the message ends and decodes it, where a handler wants that.
  const size_t decoded = on_user_message_ || on_event_ ? message_.decode_first(current_rest_) : 0;
  const std::optional<size_t> bytes = decoded != 0 ? decoded : map_bytes(current_rest_);
  if (!bytes) {
    fail("the broker delivered bytes that are no message");
    return false;
  }
  current_delivery_ = {current_rest_.substr(0, *bytes), next_delivered_, current_redelivered_};
  return true;
}

void Worker::take_in_hand() {
  in_hand_ = true;
  in_hand_is_held_ = false;
  in_hand_as_held_ = {current_delivery_.seq, connection_};
}

void Worker::hand_out() {
  take_in_hand();
  try {
    const Within within(in_handler_);
    call_handler();
  } catch (const Reject& rejection) {
    return fail_in_hand(rejection.what(), false);
  } catch (const std::exception& exception) {
    return fail_in_hand(exception.what(), true);
  } catch (...) {
    return fail_in_hand("unknown exception", true);
  }
  finish_in_hand();
}

void Worker::call_handler() {
  if (!on_user_message_ && !on_event_) return on_message_(current_delivery_);
  if (message_.fields() == 0) {  // next_delivery() could not decode it
    if (on_message_) return on_message_(current_delivery_);
    throw Reject("the worker cannot read it");
  }
  if (message_.is_user_message() && on_user_message_) return on_user_message_(message_);
  if (message_.is_event() && on_event_) return on_event_(message_);
  if (on_message_) on_message_(current_delivery_);
}

void Worker::finish_in_hand() {
  if (pass_in_hand() && !in_hand_is_held_) settlements_.handled(in_hand_as_held_.seq);
}

void Worker::fail_in_hand(Bytes reason, bool requeue) {
  const std::string text = printable(reason);
  if (pass_in_hand()) {
    if (in_hand_is_held_) {
      nack(in_hand_as_held_, text, requeue);
    } else {
      settlements_.failed(in_hand_as_held_.seq, text, requeue, window_.last_seq());
    }
  }
  tell_failure({in_hand_as_held_.seq, text, requeue});
}

// The program is through with what it had in hand. False: its connection is over, and its number with it.
bool Worker::pass_in_hand() {
  in_hand_ = false;
  if (in_hand_as_held_.connection != connection_) return false;
  current_rest_.remove_prefix(current_delivery_.bytes.size());
  ++next_delivered_;
  return true;
}

void Worker::tell_failure(const HandlerFailure& failure) {
  if (!on_handler_failed_) return;
  const Within within(in_callback_);
  on_handler_failed_(failure);
}

Held Worker::hold() {
  if (!in_hand_) throw std::logic_error("hold() without a delivery in hand");
  if (!in_hand_is_held_ && in_hand_as_held_.connection == connection_) settlements_.hold(in_hand_as_held_.seq);
  in_hand_is_held_ = true;
  return in_hand_as_held_;
}

bool Worker::ack(const Held& held) {
  return held.connection == connection_ && settlements_.settle(held.seq);
}

bool Worker::nack(const Held& held, std::string_view reason, bool requeue) {
  return held.connection == connection_ &&
         settlements_.settle_as_failed(held.seq, printable(reason), requeue, window_.last_seq());
}

// The connection is over: its numbers mean nothing any more, and what was not acknowledged will be delivered again. The
// bytes of the message in hand stay.
void Worker::end_deliveries() {
  inbox_.clear();
  inbox_head_ = 0;
  current_rest_ = {};
  next_delivered_ = 1;
  settlements_.reset();
  refusals_.clear();
  repeated_refusals_upto_ = 0;
  pong_due_ = false;
  ping_due_ = false;
  bye_due_ = false;
  bye_sent_ = false;
  ++connection_;
}

}  // namespace signalbox
