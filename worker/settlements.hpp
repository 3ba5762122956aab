// What was delivered on one connection and how it stands, and when that may be said to the broker.
//
// Two rules meet here.
//
// Out of order: whoever holds a delivery settles it when it suits. ACK's `upto` reaches to the oldest that is still
// held; what was settled beyond it goes out as `also`, each number once. So the books are a list of the held ones,
// which prefetch bounds, and a list of numbers that are yet to be told. A delivery that nobody holds costs one
// comparison.
//
// Answers first: an ACK or a NACK leaves only once every message that the program handed over before it settled the
// delivery has left on the same connection. A connection keeps order, so whatever cuts it, a kill -9 of the program
// included, the broker has the answers of each delivery that it believes handled. Were the ACK first, a cut in between
// would lose a reply that nobody will ever write again. Two marks are enough for that: the ACK that is sealed, with the
// newest number handed over when it was, and what was settled since. Sending without a pause cannot starve the ACK,
// because its mark does not move. A NACK has a mark of its own, and goes before the next ACK, whose `upto` may cover
// it.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "protocol/codes.hpp"

namespace signalbox {

// Thread: one, the worker's.
// Owns:   numbers, and the reasons of NACKs that wait.
// Errors: none; a delivery that is not held cannot be settled, and that is said.
// Bounds: what is delivered and not acknowledged, hence the prefetch. Lists keep their capacity: in steady state no ACK
//         costs an allocation.
// Tested by settlements_test.cpp.
class Settlements {
 public:
  struct Nacked {
    Seq seq = 0;
    std::string reason;
    bool requeue = true;
    Seq after = 0;  // leaves once this has been transmitted
  };
  struct Acknowledgement {
    Seq upto = 0;
    const Seq* also = nullptr;  // `also_count` numbers, until the next call that is not const
    size_t also_count = 0;
  };

  // The connection is over, and its numbers with it.
  void reset();

  // --- what the program did; `sent` is the newest number that it has handed over
  // The next delivery was handled.
  void handled(Seq seq);
  // The next delivery was not.
  void failed(Seq seq, std::string reason, bool requeue, Seq sent);
  // The next delivery is held.
  void hold(Seq seq);
  bool is_held(Seq seq) const { return find(seq) != nullptr; }
  // A held one was handled, or was not. False: it is not held, and nothing happened.
  bool settle(Seq seq);
  bool settle_as_failed(Seq seq, std::string reason, bool requeue, Seq sent);

  // --- what may leave; `transmitted` is the newest number that has left on this connection
  // The oldest NACK, if it may leave. nack_sent() when it has.
  const Nacked* next_nack(Seq transmitted) const;
  void nack_sent();
  // An ACK of at most `also_max` single numbers, if one is due and may leave. REQUIRES: next_nack() gave null.
  std::optional<Acknowledgement> next_ack(Seq sent, Seq transmitted, size_t also_max);
  void ack_sent(const Acknowledgement& ack);

  // Something could leave now.
  bool may_leave(Seq sent, Seq transmitted) const;
  // All that was settled has been said.
  bool all_said() const { return nacks_.empty() && !sealed_ && !open_due(); }
  size_t held() const { return open_held_; }

  void check_invariants() const;

 private:
  struct HeldDelivery {
    Seq seq = 0;
    bool open = true;
  };

  HeldDelivery* find(Seq seq);
  const HeldDelivery* find(Seq seq) const;
  bool close(Seq seq);
  void trim();
  // Everything up to this number is settled.
  Seq upto() const { return open_held_ == 0 ? passed_ : held_[oldest_].seq - 1; }
  bool open_due() const { return upto() > acknowledged_ || !also_.empty(); }
  void seal(Seq sent);

  Seq passed_ = 0;  // the newest delivery that was handled, failed or held
  // In order of their numbers, the open ones and some that were settled since; the oldest open one at oldest_.
  std::vector<HeldDelivery> held_;
  size_t oldest_ = 0;
  size_t open_held_ = 0;

  std::deque<Nacked> nacks_;

  std::vector<Seq> also_;  // settled beyond upto() when they were, not sealed yet

  // The ACK that waits for what was handed over before it.
  bool sealed_ = false;
  Seq sealed_upto_ = 0;
  std::vector<Seq> sealed_also_;  // from sealed_said_ on
  size_t sealed_said_ = 0;
  Seq sealed_after_ = 0;

  Seq acknowledged_ = 0;  // the highest `upto` that was sent
};

}  // namespace signalbox
