// One of the two transports of an endurance run: a thread with a worker that asks its questions in order, as fast as
// they are confirmed, and keeps the books about the answers.
//
// Thread: its own runs the worker; what others may read is atomic, or theirs after stop().
// Owns:   the worker, and a cell of each question.
// Errors: what goes wrong is counted, and in words in faults().
// Bounds: one question is one cell; of faults in words the first few are kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "protocol/message_view.hpp"
#include "tests/endurance/scoreboard.hpp"
#include "worker/worker.hpp"

namespace signalbox::endurance {

class Transport {
 public:
  struct Plan {
    std::string name;
    std::string endpoint;
    uint64_t first = 0;  // the numbers of its questions
    uint64_t count = 0;
    uint64_t prefetch = 0;
    uint64_t lead_max = 0;       // it asks no further than this ahead of what the other transport has had answered
    uint64_t wake_interval = 1;  // whoever waits is woken after so many answers
    bool in_order = true;        // answers must come first in the order of the questions
  };

  Transport(Plan plan, Scoreboard& scoreboard, int wake);
  ~Transport() { stop(); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Begins. `other` outlives the run.
  void start(const Transport& other);
  void stop();

  // --- while it runs
  uint64_t answered() const { return answered_.load(); }  // different questions
  bool all_confirmed() const { return all_confirmed_.load(); }
  bool failed() const { return failed_.load(); }
  uint64_t registrations() const { return registrations_.load(); }
  uint64_t broker() const { return broker_.load(); }  // with which it has registered last

  // --- once stopped
  // How often the answer to a question came: at all, and as a first delivery.
  uint8_t received(uint64_t number) const { return received_[number - plan_.first]; }
  uint8_t received_fresh(uint64_t number) const { return received_fresh_[number - plan_.first]; }
  // Was the question confirmed by broker 1, when that was the one?
  bool confirmed_by_first(uint64_t number) const { return number - plan_.first < confirmed_by_first_; }
  uint64_t out_of_order() const { return out_of_order_; }
  uint64_t refused() const { return refused_; }
  uint64_t strange() const { return strange_; }
  uint64_t unconfirmed() const { return worker_.unconfirmed(); }
  const std::vector<std::string>& faults() const { return faults_; }
  // How it stands, for people.
  std::string description() const;

 private:
  void run(const Transport& other);
  void ask(const Transport& other);
  void receive(const Delivery& delivery);
  void look_at_registration();
  void confirmed(Seq upto);
  void fault(std::string text);
  void wake() const;

  const Plan plan_;
  Scoreboard& scoreboard_;
  const int wake_;
  Worker worker_;

  // Its thread's.
  uint64_t asked_ = 0;
  std::string question_;
  MessageView view_;
  std::vector<uint8_t> received_;
  std::vector<uint8_t> received_fresh_;
  uint64_t next_first_ = 0;  // behind the furthest question that was answered
  uint64_t out_of_order_ = 0;
  uint64_t refused_ = 0;
  uint64_t strange_ = 0;
  uint64_t confirmed_by_first_ = 0;
  std::vector<std::string> faults_;

  // Read by others while it runs.
  std::atomic<uint64_t> answered_{0};
  std::atomic<uint64_t> registrations_{0};
  std::atomic<uint64_t> broker_{0};
  std::atomic<bool> all_confirmed_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace signalbox::endurance
