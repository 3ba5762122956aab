// A worker whose messages are lines of JSON: what comes on one descriptor is sent, what is delivered goes to another.
//
// The promises of the bus reach to both ends of the pipe. A delivery is acknowledged once its line is written, never
// before; so a reader that goes away loses nothing, and one that is slow slows the broker down and nobody else. Input
// is read only while the broker takes more, so the window's back-pressure reaches whoever writes to the pipe.
//
// One loop does all of it, with four steps a turn: the worker's, the output's (one flush for all that the turn
// brought), the settlements', the input's. It waits in one place, for the socket, the input, the output's reader and
// the request to stop alike.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "broker/program/input_lines.hpp"
#include "broker/program/output_lines.hpp"
#include "broker/stop_signal.hpp"
#include "worker/worker.hpp"

namespace signalbox {

struct LineWorkerOptions {
  WorkerOptions worker;
  bool raw = false;               // send what was typed and nothing else
  bool echo = false;              // reply to each user message
  bool listen = false;            // go on after the end of the input
  std::optional<uint64_t> count;  // leave after so many deliveries
  double rate = 0;                // sent messages a second; 0: as they come
  uint64_t timeout_s = 60;        // for an answer of the broker's; 0: for ever
  uint64_t for_s = 0;             // leave after this long; 0: not
  bool verbose = false;           // say what goes well, too
  bool quiet = false;             // say only what goes wrong
};

// Thread: one, which calls run() once; `stop` may be requested from anywhere.
// Owns:   the worker. Not the descriptors.
// Errors: the constructor throws as Worker's does. What goes wrong later is said on stderr and in run()'s result.
// Bounds: InputLines::line_bytes_max for a line; one message beyond the send window; deliveries by the prefetch, their
//         lines by that and output_bytes_max.
// Tested by tests/program/worker_command_test.cpp.
class LineWorker {
 public:
  static constexpr size_t output_bytes_max =
      64 * limits::kibibyte;  // then it is written, however long the turn goes on
  static constexpr size_t messages_a_turn = 1024;
  static constexpr Worker::Milliseconds grace{5000};

  LineWorker(const LineWorkerOptions& options, int input_fd, int output_fd, StopSignal& stop);

  // Works until there is a reason to leave.
  void work();

  // Leaves in order: waits for the last confirmations, `grace` at most, and says on stderr how it all went. True:
  // nothing was wrong, from the beginning to the end.
  [[nodiscard]] bool leave();

 private:
  using Clock = Worker::Clock;
  using Milliseconds = Worker::Milliseconds;

  // A delivery between its arrival and its settlement.
  struct Arrived {
    Held held;
    uint64_t line_end = 0;  // in the output, all of it
    std::string reply;      // empty: none
  };

  // Each step returns how much it did.
  size_t settle();
  size_t take_input();
  void receive(const Delivery& delivery);
  void refused(const Refusal& refusal);
  void write_out();
  bool send(Bytes message);
  void take_line(const InputLines::Line& line);

  std::string too_large(Bytes message) const;
  bool wants_input() const;
  bool watches_output() const { return output_.is_pipe() && input_.is_used_up(); }
  bool is_complete() const;
  bool count_reached() const { return options_.count && delivered_ >= *options_.count; }
  bool has_to_leave();
  bool broker_is_silent(Clock::time_point now) const;
  void watch_registration(Clock::time_point now);
  void watch_confirmations(Clock::time_point now);
  void wait();

  void say(const std::string& line) const;
  void complain(const std::string& line);  // says it, and remembers that something was wrong
  void sum_up() const;

  // Constant after construction.
  const LineWorkerOptions options_;
  const bool listens_;  // past the end of the input
  const bool says_more_;
  const Clock::time_point started_at_;

  StopSignal& stop_;
  InputLines input_;
  OutputLines output_;
  Worker worker_;

  std::deque<Arrived> arrived_;  // oldest first

  std::string message_;             // read and not sent yet; empty: none
  Clock::time_point next_send_at_;  // under --rate

  // What the broker was heard of last.
  Clock::time_point heard_at_;
  Clock::time_point unregistered_since_;
  uint64_t registrations_ = 0;
  bool told_that_it_waits_ = false;
  Seq confirmed_ = 0;

  // The books.
  uint64_t sent_ = 0;
  uint64_t delivered_ = 0;
  uint64_t refused_ = 0;
  uint64_t bad_lines_ = 0;
  bool something_wrong_ = false;
};

}  // namespace signalbox
