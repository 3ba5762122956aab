// Bad clients: connections that are none of this bus's workers, and behave like none.
//
// Thread: one, the driver's; nothing here waits.
// Owns:   their sockets, for as long as each has to live.
// Errors: what cannot connect is one bad client less. A stranger that is let in is a fault on the scoreboard.
// Bounds: open_max at a time; the oldest goes first.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>

#include "tests/torture/configuration.hpp"
#include "tests/torture/scoreboard.hpp"

namespace signalbox::torture {

class Strangers {
 public:
  static constexpr size_t open_max = 60;

  Strangers(uint16_t port, Scoreboard& scoreboard, uint64_t seed);
  ~Strangers();
  Strangers(const Strangers&) = delete;
  Strangers& operator=(const Strangers&) = delete;

  // A few more, of one kind. `configuration` says whose key the thief among them has.
  void send_some(const Configuration& configuration);
  // Looks at what they were answered, and ends those whose time is over.
  void look();
  void end_all();
  uint64_t sent() const { return sent_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Stranger {
    int descriptor = -1;     // a bare TCP connection, or
    void* socket = nullptr;  // a ZeroMQ one
    Clock::time_point until;
  };

  void connect_bare(const std::string& bytes);
  void connect_socket(const Configuration& configuration);
  void say_something_wrong(void* socket);
  std::string random_bytes(size_t most);
  uint64_t below(uint64_t bound) { return random_() % bound; }
  void listen_to(const Stranger& stranger);
  static void end(const Stranger& stranger);

  const uint16_t port_;
  Scoreboard& scoreboard_;
  std::mt19937_64 random_;
  void* const context_;
  std::deque<Stranger> open_;
  uint64_t sent_ = 0;
};

}  // namespace signalbox::torture
