#include "broker/local_peer.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include "broker/core/assert.hpp"
#include "broker/core/queue.hpp"
#include "broker/local_peers.hpp"

namespace signalbox {

LocalPeer::LocalPeer(LocalPeers& peers, ConnectionId id, EndpointId endpoint, LocalEndpointOptions options)
    : id_(id), endpoint_(endpoint), options_(std::move(options)), peers_(&peers), prefetch_(options_.prefetch) {}

void LocalPeer::hello() {
  Hello hello;
  hello.role = options_.role;
  hello.name = options_.name;
  hello.prefetch = 0;  // until there is a handler
  hello.client = options_.client;
  hello.instance = options_.instance;
  write(peers().header(), hello);
  peers().frame(id_, peers().header(), {}, 1);
}

// --- what the core says ----------------------------------------------------------------------------------------------

void LocalPeer::take(Bytes header, Run body, const Entry* entries, uint32_t count) {
  const auto frame = parse_broker_frame(header);
  SIGNALBOX_ASSERT(frame && std::holds_alternative<Deliver>(*frame), "the core speaks its own protocol");
  const auto& deliver = std::get<Deliver>(*frame);
  // Noted here, so that nobody has to look for the messages' ends a second time; a lane cannot show its entries.
  Bytes rest = body.bytes();
  for (uint32_t i = 0; i < count; ++i) {
    const size_t bytes = entries != nullptr ? entries[i].size : map_bytes(rest).value_or(rest.size());
    sizes_.push_back(static_cast<uint32_t>(bytes));
    rest.remove_prefix(bytes);
  }
  inbox_.push_back({std::move(body), deliver.first_seq, deliver.redelivered});
  peers().list(*this);
}

void LocalPeer::take(Bytes header) {
  const auto frame = parse_broker_frame(header);
  SIGNALBOX_ASSERT(frame, "the core speaks its own protocol");
  if (const auto* confirm = std::get_if<Confirm>(&*frame)) {
    take(*confirm);
  } else if (const auto* refuse = std::get_if<Refuse>(&*frame)) {
    if (!on_refused_) return;
    refusals_.push_back({refuse->seq, std::string(refuse->code), std::string(refuse->text)});
    peers().list(*this);
  } else if (const auto* welcome = std::get_if<Welcome>(&*frame)) {
    limits_ = welcome->limits;
    state_ = LocalEndpoint::State::registered;
  } else if (const auto* error = std::get_if<ErrorFrame>(&*frame)) {
    fail(std::string(error->code) + ": " + std::string(error->text));
  } else if (const auto* bye = std::get_if<Bye>(&*frame)) {
    draining_ = draining_ || bye->reason == "draining";
    // In answer to HELLO: it is not let in. (The answer to a BYE of its own finds it open, and close() does the rest.)
    if (!is_open()) fail(std::string(bye->reason));
  }
  // PING is left unanswered: the broker holds silence against nobody.
}

void LocalPeer::take(const Confirm& confirm) {
  confirmed_ = confirm.upto;
  while (!sent_.empty() && sent_.front().last_seq <= confirmed_) {
    unconfirmed_bytes_ -= sent_.front().bytes;
    sent_.pop_front();
  }
  if (on_confirmed_) peers().list(*this);
}

void LocalPeer::fail(std::string reason) {
  state_ = LocalEndpoint::State::failed;
  fault_ = std::move(reason);
  drop_deliveries();
}

// What the core has taken back, or will: not to be handled any more. The bytes under a running handler stay.
void LocalPeer::drop_deliveries() {
  inbox_.clear();
  sizes_.clear();
  rest_ = {};
  if (!handling_) current_ = {};
  held_.clear();
  held_open_ = 0;
  also_.clear();
}

// --- sending ---------------------------------------------------------------------------------------------------------

SendResult LocalPeer::send(Bytes batch, uint32_t messages) {
  using Reason = SendResult::Reason;
  if (!is_open() || (draining_ && options_.role == Role::transport)) return {0, Reason::ended};
  if (batch.empty() || messages == 0 || batch.size() > limits_.max_batch_bytes) return {0, Reason::too_large};
  const bool alone = unconfirmed() == 0 && messages == 1;  // one message always fits
  if (unconfirmed() + messages > limits_.send_window) return {0, Reason::window_full};
  if (!alone && unconfirmed_bytes_ + batch.size() > limits_.send_window_bytes) return {0, Reason::window_full};

  const Seq first = last_sent_ + 1;
  write(peers().header(), Send{first});
  const uint64_t received_before = peers().received_from(endpoint_);
  peers().frame(id_, peers().header(), batch, 2);
  // The core's count, whatever the host has promised: so the numbers of the two can never drift apart.
  const uint64_t taken = peers().received_from(endpoint_) - received_before;
  last_sent_ += taken;
  if (!is_open()) return {0, Reason::ended};
  sent_.push_back({last_sent_, batch.size()});
  unconfirmed_bytes_ += batch.size();
  return {first, Reason::taken};
}

// --- the host's functions --------------------------------------------------------------------------------------------

void LocalPeer::on_message(std::function<void(const Delivery&)> handler) {
  SIGNALBOX_ASSERT(!handling_, "a handler must not be exchanged while it runs");
  on_message_ = std::move(handler);
  flow();
  if (is_open() && has_work()) peers().list(*this);
}

bool LocalPeer::has_work() const {
  const bool may_handle = on_message_ && !paused_ && is_open();
  return !refusals_.empty() || (on_confirmed_ && confirmed_told_ < confirmed_) || !also_.empty() ||
         (may_handle && (!inbox_.empty() || !rest_.empty()));
}

size_t LocalPeer::work(size_t most) {
  size_t calls = 0;
  // Any of these may close this peer, which leaves nothing to call for.
  while (!refusals_.empty() && calls < most) {
    const Refused refused = std::move(refusals_.front());
    refusals_.pop_front();
    ++calls;
    if (on_refused_) on_refused_({refused.seq, refused.code, refused.text, {}});
  }
  if (!is_closed() && refusals_.empty() && on_confirmed_ && confirmed_told_ < confirmed_) {
    confirmed_told_ = confirmed_;
    ++calls;
    on_confirmed_(confirmed_told_);
  }
  while (calls < most && next_delivery()) {
    ++calls;
    handle();
  }
  acknowledge();
  return calls;
}

// --- deliveries ------------------------------------------------------------------------------------------------------

// False: there is none, or none is wanted now.
bool LocalPeer::next_delivery() {
  if (!is_open() || paused_ || !on_message_) return false;
  if (!rest_.empty()) return true;
  if (inbox_.empty()) return false;
  current_ = std::move(inbox_.front());
  inbox_.pop_front();
  rest_ = current_.run.bytes();
  next_seq_ = current_.first_seq;
  return true;
}

// Calls the handler for the next message of the batch under way.
void LocalPeer::handle() {
  const size_t bytes = sizes_.front();
  sizes_.pop_front();
  SIGNALBOX_ASSERT(bytes > 0 && bytes <= rest_.size(), "a run is made of whole messages");
  const Delivery delivery{rest_.substr(0, bytes), next_seq_, current_.redelivered};
  rest_.remove_prefix(bytes);
  ++next_seq_;

  bool failed = false;
  bool requeue = true;
  std::string reason;
  handling_ = true;
  handling_held_ = false;
  try {
    on_message_(delivery);
  } catch (const Reject& reject) {
    failed = true;
    requeue = false;
    reason = reject.what();
  } catch (const std::exception& error) {
    failed = true;
    reason = error.what();
  } catch (...) {
    failed = true;
    reason = "the handler threw something that is no exception";
  }
  handling_ = false;
  if (rest_.empty()) current_ = {};
  if (!is_open()) return;

  handled_ = delivery.seq;
  if (failed) {
    handler_failed(delivery.seq, reason, requeue);
  } else if (!handling_held_ && held_open_ > 0) {
    also_.push_back(delivery.seq);  // `upto` cannot reach it before what is held in front of it
  }
}

void LocalPeer::handler_failed(Seq seq, std::string_view reason, bool requeue) {
  // Where it was held as well the throw has the last word, unless it has been settled since.
  if (!handling_held_ || end_hold(seq)) send_nack(seq, reason, requeue);
  if (on_handler_failed_) on_handler_failed_({seq, reason, requeue});
}

Held LocalPeer::hold() {
  if (!handling_) throw std::logic_error("hold() is for a handler, about the message that it was called for");
  const Seq seq = next_seq_ - 1;
  if (!is_open()) return {};
  if (!handling_held_) {
    held_.push_back({seq, false});
    ++held_open_;
    handling_held_ = true;
  }
  return {seq, id_};
}

// Takes a message off those that are held. False: it is none of them (any more).
bool LocalPeer::end_hold(Seq seq) {
  size_t low = 0;
  size_t high = held_.size();
  while (low < high) {  // the first that is not below seq
    const size_t middle = (low + high) / 2;
    (held_[middle].seq < seq ? low : high) = held_[middle].seq < seq ? middle + 1 : middle;
  }
  if (low == held_.size() || held_[low].seq != seq || held_[low].settled) return false;
  held_[low].settled = true;
  --held_open_;
  while (!held_.empty() && held_.front().settled) held_.pop_front();
  // One that is held for long must not keep the numbers of all that were held and settled behind it.
  if (held_.size() > 2 * held_open_ + 64) held_.retain([](const HeldBack& held) { return !held.settled; });
  return true;
}

bool LocalPeer::ack(const Held& held) {
  if (!is_open() || held.connection != id_ || !end_hold(held.seq)) return false;
  also_.push_back(held.seq);
  peers().list(*this);
  return true;
}

bool LocalPeer::nack(const Held& held, std::string_view reason, bool requeue) {
  if (!is_open() || held.connection != id_ || !end_hold(held.seq)) return false;
  send_nack(held.seq, reason, requeue);
  return true;
}

void LocalPeer::send_nack(Seq seq, std::string_view reason, bool requeue) {
  write(peers().header(), Nack{seq, reason, requeue});
  peers().frame(id_, peers().header(), {}, 1);
}

// One ACK for all that was handled since the last.
void LocalPeer::acknowledge() {
  if (!is_open()) return;
  const Seq upto = held_.empty() ? handled_ : std::min(handled_, held_.front().seq - 1);
  std::erase_if(also_, [upto](Seq seq) { return seq <= upto; });
  if (upto == acknowledged_ && also_.empty()) return;
  acknowledged_ = upto;
  write_ack(peers().header(), upto, also_.data(), also_.size());
  also_.clear();
  peers().frame(id_, peers().header(), {}, 1);
}

void LocalPeer::set_paused(bool paused) {
  paused_ = paused;
  flow();
  if (is_open() && has_work()) peers().list(*this);
}

void LocalPeer::set_prefetch(uint64_t prefetch) {
  prefetch_ = prefetch;
  flow();
}

void LocalPeer::flow() {
  if (!is_open()) return;
  const uint64_t prefetch = std::min(prefetch_, limits_.max_prefetch);
  write(peers().header(), Flow{on_message_ && !paused_ ? prefetch : 0});
  peers().frame(id_, peers().header(), {}, 1);
}

// --- leaving ---------------------------------------------------------------------------------------------------------

void LocalPeer::close() {
  if (is_closed()) return;
  if (is_open()) {
    acknowledge();  // what was handled is not to come again
    write(peers().header(), Bye{});
    peers().frame(id_, peers().header(), {}, 1);
    state_ = LocalEndpoint::State::closed;
  }
  LocalPeers& from = peers();
  peers_.store(nullptr, std::memory_order_release);
  refusals_.clear();
  drop_deliveries();
  from.remove(*this);
}

void LocalPeer::end() {
  SIGNALBOX_ASSERT(!handling_, "a handler must not end the broker that calls it");
  if (is_open()) state_ = LocalEndpoint::State::closed;
  refusals_.clear();
  drop_deliveries();
  peers_.store(nullptr, std::memory_order_release);
}

}  // namespace signalbox
