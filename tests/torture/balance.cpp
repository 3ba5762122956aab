#include "tests/torture/balance.hpp"

#include <utility>

namespace signalbox::torture {
namespace {

class Balancing {
 public:
  Balancing(const Scoreboard& scoreboard, const std::vector<BrokerEnd>& brokers)
      : scoreboard_(scoreboard), brokers_(brokers), missing_(brokers.size() + 1) {}

  Balance strike() {
    for (uint64_t number = 1; number <= scoreboard_.used(); ++number) judge(number);
    for (size_t broker = 1; broker <= brokers_.size(); ++broker) judge_missing(broker);
    return std::move(balance_);
  }

 private:
  struct Missing {
    uint64_t lasting = 0;  // where no policy disposes of anything
    uint64_t may_expire = 0;
    uint64_t may_be_dropped = 0;
    uint64_t example = 0;
    size_t example_copy = 0;
  };

  void judge(uint64_t number) {
    const Record& record = scoreboard_.record(number);
    const State state = record.state;
    if (state == State::unused) return;
    ++balance_.messages;
    if (state == State::handed_over) ++balance_.untold;
    if (state == State::refused) judge_refused(number);
    if (state == State::confirmed) judge_confirmed(number);
  }

  void judge_refused(uint64_t number) {
    ++balance_.refused;
    const Record& record = scoreboard_.record(number);
    for (const Copy& copy : record.copies) {
      // A broker that is gone may have had it, and died before it could say so.
      if (copy.delivered == 0 || copy.delivered_by < record.settled_by) continue;
      ++balance_.wrongly_delivered;
      fault(number, copy, "was refused, and delivered");
    }
  }

  void judge_confirmed(uint64_t number) {
    ++balance_.confirmed;
    const Record& record = scoreboard_.record(number);
    const FlowPlan& flow = flows[record.flow];
    const uint8_t broker = record.settled_by;
    for (size_t i = 0; i < copies_max; ++i) {
      const Copy& copy = record.copies[i];
      const uint64_t handled = copy.handled;
      if (flow.to[i].empty()) continue;
      if (handled > 0) {
        ++balance_.handled;
        balance_.handled_again += handled - 1;
        if (flow.events) ++balance_.events;
      } else if (copy.dead != 0) {
        ++balance_.dead_letters;
      } else if (broker == 0 || broker > brokers_.size()) {
        ++balance_.lost;
        fault(number, copy, "was confirmed by a broker that there never was");
      } else if (brokers_[broker - 1].killed) {
        ++balance_.killed;
      } else {
        note_missing(number, i);
      }
    }
  }

  void note_missing(uint64_t number, size_t index) {
    const Record& record = scoreboard_.record(number);
    const Disposal disposal = flows[record.flow].disposal;
    const bool lasting = disposal == Disposal::none;
    Missing& missing = missing_[record.settled_by];
    ++(lasting ? missing.lasting : disposal == Disposal::expiry ? missing.may_expire : missing.may_be_dropped);
    // One that nothing excuses makes the better story, and the first of those the best.
    if (missing.example == 0 || (missing.lasting == 1 && lasting)) {
      missing.example = number;
      missing.example_copy = index;
    }
    if (lasting && brokers_[record.settled_by - 1].left_behind == 0)
      fault(number, record.copies[index], "never arrived");
  }

  // What is missing of one broker's, against what it has said that it dropped and left behind.
  void judge_missing(size_t number) {
    const BrokerEnd& broker = brokers_[number - 1];
    const Missing& missing = missing_[number];
    const uint64_t known = scoreboard_.totals().expired_letters[number];
    // Of a broker that runs nobody knows yet; the balance at the end does.
    const uint64_t can_expire = broker.expired > known ? broker.expired - known : 0;
    const uint64_t expired = broker.running ? missing.may_expire : std::min(missing.may_expire, can_expire);
    const uint64_t dropped = broker.running ? missing.may_be_dropped : std::min(missing.may_be_dropped, broker.dropped);
    const uint64_t others = missing.lasting + missing.may_expire - expired + missing.may_be_dropped - dropped;
    const uint64_t left = std::min(others, broker.left_behind);
    balance_.expired += expired;
    balance_.dropped += dropped;
    balance_.left_behind += left;
    balance_.lost += others - left;
    if (others == left || !balance_.faults.empty()) return;
    balance_.faults.push_back(
        "broker " + std::to_string(number) + " owes " + std::to_string(others) + " messages, and has answered for " +
        std::to_string(left) + " left behind; it counted " + std::to_string(broker.expired) + " expired, " +
        std::to_string(known) + " of them became dead letters and " + std::to_string(missing.may_expire) +
        " that may expire are missing; it counted " + std::to_string(broker.dropped) + " dropped, and " +
        std::to_string(missing.may_be_dropped) + " that may be dropped are missing");
    fault(missing.example, scoreboard_.record(missing.example).copies[missing.example_copy], "is one of them");
  }

  void fault(uint64_t number, const Copy& copy, const char* what) {
    if (balance_.faults.size() >= Balance::faults_max) return;
    const Record& record = scoreboard_.record(number);
    const FlowPlan& flow = flows[record.flow];
    const size_t index = static_cast<size_t>(&copy - record.copies);
    balance_.faults.push_back(
        "message " + std::to_string(number) + " " + what + ": from " + std::string(flow.from) + " (process " +
        std::to_string(record.process) + ") to " + std::string(flow.to[index]) + ", sent in second " +
        std::to_string(record.second) + ", " + (record.state == State::refused ? "refused" : "confirmed") +
        " by broker " + std::to_string(record.settled_by) + "; handed out " + std::to_string(copy.delivered) +
        " times" + (copy.delivered == 0 ? "" : ", last by broker " + std::to_string(copy.delivered_by)) + ", handled " +
        std::to_string(copy.handled) + " times");
  }

  const Scoreboard& scoreboard_;
  const std::vector<BrokerEnd>& brokers_;
  std::vector<Missing> missing_;  // by broker, from 1
  Balance balance_;
};

}  // namespace

Balance strike_balance(const Scoreboard& scoreboard, const std::vector<BrokerEnd>& brokers) {
  return Balancing(scoreboard, brokers).strike();
}

}  // namespace signalbox::torture
