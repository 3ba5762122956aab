// What both kinds of torture workers write on the scoreboard: senders about their messages, receivers about theirs.
//
// Thread: one. Owns: which of its messages stands behind each number of its session. Errors: what must not be becomes a
// fault on the scoreboard. Bounds: sent_kept, more than any send window.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/message_view.hpp"
#include "tests/torture/scoreboard.hpp"
#include "tests/torture/traffic.hpp"

namespace signalbox::torture {

// What a worker process is told by its arguments:
//   SCOREBOARD_DESCRIPTOR MESSAGES SLOT PROCESS SECOND ENDPOINT [SECRET_KEY SERVER_KEY]
struct Assignment {
  int scoreboard = -1;
  uint64_t messages = 0;
  size_t slot = 0;
  uint16_t process = 0;
  uint16_t second = 0;  // of the run, when it was started
  std::string endpoint;
  std::string secret_key;
  std::string server_key;

  std::vector<std::string> arguments() const;
  // Throws std::invalid_argument.
  static Assignment read(int argc, char** argv);
};

// How many messages a sender owes by now, at the rate that the driver asks for.
class Pace {
 public:
  explicit Pace(double most_at_once) : most_at_once_(most_at_once) {}
  uint64_t due(uint32_t rate);

 private:
  const double most_at_once_;
  double owed_ = 0;
  int64_t looked_us_ = 0;
};

class Books {
 public:
  Books(Scoreboard& scoreboard, const Assignment& assignment)
      : scoreboard_(scoreboard), assignment_(assignment), sent_(sent_kept) {}

  // --- as a sender
  // What a message answers, or an event is about, and the broker that handed that out.
  struct Subject {
    uint64_t number = 0;
    uint8_t broker = 0;
  };
  // Writes the next message into `out`. False: the run has no numbers left.
  [[nodiscard]] bool next(std::string& out, Flow flow, std::string_view transport, std::optional<Subject> subject = {});
  // It was taken under this number of the session, or was not taken at all.
  void taken(uint64_t seq) { sent_[seq % sent_kept] = number_; }
  void not_taken();
  // An event that no route was found for is a fault if that broker has handed out the message that it is about: it
  // should have remembered who sent that.
  void refused(uint64_t seq, uint8_t broker, std::string_view code);
  // What was not refused among them is confirmed.
  void settled(uint64_t from, uint64_t upto, uint8_t broker);

  // --- as a receiver
  struct Received {
    Identity identity;
    Copy* copy = nullptr;
    uint8_t before = 0;  // so often it was handed out before
  };
  // Empty: not one of this run, or not for this endpoint; that is a fault.
  std::optional<Received> received(Bytes bytes, bool redelivered, uint8_t broker);
  void handled(const Received& received);
  // The same for a dead letter.
  void dead_letter(Bytes bytes, bool redelivered, uint8_t broker);

  const Slot& slot() const { return slots[assignment_.slot]; }
  Scoreboard& scoreboard() { return scoreboard_; }
  Desk& desk() { return scoreboard_.desk(assignment_.slot); }

 private:
  static constexpr size_t sent_kept = 65536;

  // The furthest of one sender's messages that came here, from one broker.
  struct Furthest {
    uint8_t broker = 0;
    uint64_t position = 0;
  };

  std::optional<Identity> identify(Bytes bytes);
  void check_order(const Received& received, uint8_t broker);
  void fault(const std::string& text);

  Scoreboard& scoreboard_;
  const Assignment& assignment_;
  std::vector<uint64_t> sent_;
  uint64_t number_ = 0;  // of the last message written
  uint64_t position_ = 0;
  MessageView view_;
  std::unordered_map<uint16_t, Furthest> furthest_;
};

// Seconds of the run: the machine's own clock, counted on from what the driver said.
uint16_t second_of_run(uint16_t at_start);

}  // namespace signalbox::torture
