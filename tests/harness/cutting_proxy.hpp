// A TCP proxy that cuts its connections on command: how a test loses a connection that is in full use.
//
// A connection through it is two sockets, one to the worker and one to the broker. A cut may strike both, or only one
// of them, so that the other side believes in a connection that is none any more, and learns of it by silence or from
// the worker's return. What was on its way through the proxy towards the side that stays still arrives there, late.
//
// Thread: its own moves the bytes; the rest is for one other thread.
// Owns:   all its sockets. Errors: the constructor throws std::system_error; a broker that is not there closes the
//         worker's connection, as a broker that is gone would.
// Bounds: buffer_bytes_max on the way in each direction of a connection.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

namespace signalbox::harness {

enum class Cut : uint8_t {
  reset,        // both sides, by RST: what lay in the kernel is lost
  close,        // both sides, in order
  worker_side,  // the broker keeps its side, and what it sends is swallowed
  broker_side,  // the worker keeps its side, and hears nothing any more
  silent,       // both keep their sides, and all that either sends is swallowed
};
std::string_view to_string(Cut how);

class CuttingProxy {
 public:
  static constexpr size_t buffer_bytes_max = 256 * 1024;

  explicit CuttingProxy(uint16_t broker_port);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  uint16_t port() const { return port_; }

  // Cuts what stands, and closes what earlier cuts left half open. Done once this returns: so many connections were
  // whole until now.
  size_t cut(Cut how);

 private:
  struct Buffer {
    std::vector<char> bytes;
    size_t sent = 0;

    bool empty() const { return sent == bytes.size(); }
    bool has_room() const { return bytes.size() < buffer_bytes_max; }
  };
  // Two sockets; -1: gone. Where one is gone, or `is_silent`, bytes are read and dropped.
  struct Connection {
    int worker = -1;
    int broker = -1;
    bool is_silent = false;
    Buffer to_worker;
    Buffer to_broker;

    bool whole() const { return worker >= 0 && broker >= 0 && !is_silent; }
  };

  void run();
  void accept_one();
  void do_cut();
  static void strike(Connection& connection, Cut how);
  static void move(Connection& connection, short worker_events, short broker_events);
  static bool read_into(int from, Buffer& buffer, bool keep);
  static bool write_from(Buffer& buffer, int to);

  const uint16_t broker_port_;
  uint16_t port_ = 0;
  int listener_ = -1;
  int wake_ = -1;  // an eventfd: a cut is asked for, or the end
  int done_ = -1;  // another: the cut is done

  // Asked by the other thread, answered by the proxy's; the eventfds order them.
  std::optional<Cut> asked_;
  size_t answer_ = 0;
  std::atomic<bool> stopping_{false};

  std::vector<Connection> connections_;  // the proxy's thread only
  std::thread thread_;
};

// A TCP port on loopback that nobody uses at the moment.
uint16_t free_port();

}  // namespace signalbox::harness
