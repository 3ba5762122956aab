#include "worker/settlements.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace signalbox {
namespace {

constexpr size_t trim_at_least = 64;  // settled ones among the held that are worth a pass over the list

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "signalbox: settlements: %s\n", what);
  std::abort();
}

}  // namespace

void Settlements::reset() {
  passed_ = 0;
  held_.clear();
  oldest_ = 0;
  open_held_ = 0;
  nacks_.clear();
  also_.clear();
  sealed_ = false;
  sealed_upto_ = 0;
  sealed_also_.clear();
  sealed_said_ = 0;
  sealed_after_ = 0;
  acknowledged_ = 0;
}

void Settlements::handled(Seq seq) {
  passed_ = seq;
  if (open_held_ > 0) also_.push_back(seq);
}

void Settlements::failed(Seq seq, std::string reason, bool requeue, Seq sent) {
  passed_ = seq;
  nacks_.push_back({seq, std::move(reason), requeue, sent});
}

void Settlements::hold(Seq seq) {
  passed_ = seq;
  held_.push_back({seq});
  ++open_held_;
}

bool Settlements::settle(Seq seq) {
  if (!close(seq)) return false;
  if (seq > upto()) also_.push_back(seq);
  return true;
}

bool Settlements::settle_as_failed(Seq seq, std::string reason, bool requeue, Seq sent) {
  if (!close(seq)) return false;
  nacks_.push_back({seq, std::move(reason), requeue, sent});
  return true;
}

const Settlements::HeldDelivery* Settlements::find(Seq seq) const {
  const auto from = held_.begin() + static_cast<std::ptrdiff_t>(oldest_);
  const auto at = std::lower_bound(from, held_.end(), seq,
                                   [](const HeldDelivery& delivery, Seq wanted) { return delivery.seq < wanted; });
  return at != held_.end() && at->seq == seq && at->open ? &*at : nullptr;
}

Settlements::HeldDelivery* Settlements::find(Seq seq) {
  return const_cast<HeldDelivery*>(std::as_const(*this).find(seq));
}

bool Settlements::close(Seq seq) {
  HeldDelivery* const delivery = find(seq);
  if (delivery == nullptr) return false;
  delivery->open = false;
  --open_held_;
  trim();
  return true;
}

// Forgets the settled ones: at the front at once, the others when they are the greater part.
void Settlements::trim() {
  while (oldest_ < held_.size() && !held_[oldest_].open) ++oldest_;
  const size_t settled = held_.size() - open_held_;
  const bool worth_it = settled >= trim_at_least && settled > open_held_;
  if (open_held_ > 0 && !worth_it) return;
  std::erase_if(held_, [](const HeldDelivery& delivery) { return !delivery.open; });
  oldest_ = 0;
}

const Settlements::Nacked* Settlements::next_nack(Seq transmitted) const {
  return nacks_.empty() || nacks_.front().after > transmitted ? nullptr : &nacks_.front();
}

void Settlements::nack_sent() {
  nacks_.pop_front();
}

// Everything settled so far becomes the ACK that leaves once `sent` has been transmitted.
void Settlements::seal(Seq sent) {
  sealed_ = true;
  sealed_upto_ = upto();
  sealed_after_ = sent;
  // Gaps may have closed since, and then `upto` says it.
  std::erase_if(also_, [this](Seq seq) { return seq <= sealed_upto_; });
  std::swap(sealed_also_, also_);
  also_.clear();
  sealed_said_ = 0;
}

std::optional<Settlements::Acknowledgement> Settlements::next_ack(Seq sent, Seq transmitted, size_t also_max) {
  if (!sealed_) {
    if (!open_due()) return std::nullopt;
    seal(sent);
  }
  if (sealed_after_ > transmitted) return std::nullopt;
  const size_t count = std::min(sealed_also_.size() - sealed_said_, also_max);
  return Acknowledgement{sealed_upto_, sealed_also_.data() + sealed_said_, count};
}

void Settlements::ack_sent(const Acknowledgement& ack) {
  acknowledged_ = std::max(acknowledged_, ack.upto);
  sealed_said_ += ack.also_count;
  if (sealed_said_ < sealed_also_.size()) return;
  sealed_ = false;
  sealed_also_.clear();
  sealed_said_ = 0;
}

bool Settlements::may_leave(Seq sent, Seq transmitted) const {
  if (next_nack(transmitted) != nullptr) return true;
  if (sealed_) return sealed_after_ <= transmitted;
  return open_due() && sent <= transmitted;
}

void Settlements::check_invariants() const {
  size_t open = 0;
  for (size_t i = 0; i < held_.size(); ++i) {
    if (held_[i].open) ++open;
    require(i == 0 || held_[i - 1].seq < held_[i].seq, "held deliveries out of order");
    require(i >= oldest_ || !held_[i].open, "an open delivery before the oldest");
  }
  require(open == open_held_, "open deliveries do not add up");
  require(open_held_ == 0 || held_[oldest_].open, "the oldest held delivery is settled");
  require(upto() >= acknowledged_ && (!sealed_ || upto() >= sealed_upto_), "an ACK reaches past what is held");
  require(passed_ >= upto(), "more settled than handed out");
}

}  // namespace signalbox
