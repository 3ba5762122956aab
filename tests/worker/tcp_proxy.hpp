// A TCP relay between workers and a broker, whose connections the test cuts: on both sides, on the workers' side alone,
// or without a word.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace signalbox::test {

// Thread: the public calls are the test's; the relay has a thread of its own.
class TcpProxy {
 public:
  // `broker` is "tcp://127.0.0.1:PORT".
  explicit TcpProxy(const std::string& broker)
      : broker_port_(static_cast<uint16_t>(std::stoi(broker.substr(broker.rfind(':') + 1)))),
        wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t bytes = sizeof address;
    if (wake_ < 0 || listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), bytes) != 0 ||
        listen(listener_, 16) != 0 || getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) {
      throw std::runtime_error("no socket to relay with");
    }
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { relay(); });
  }
  ~TcpProxy() {
    order(Order::end);
    thread_.join();
    for (Pair& pair : pairs_) pair.close_all();
    close(listener_);
    close(wake_);
  }
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  const std::string& endpoint() const { return endpoint_; }

  // Each of these concerns the connections that stand now, and has happened when it returns.
  void cut() { order(Order::cut); }
  void cut_workers_side() { order(Order::cut_workers_side); }  // the broker's stays open, and silent
  void freeze() { order(Order::freeze); }                      // both stay open, and nothing passes

 private:
  enum class Order { none, cut, cut_workers_side, freeze, end };

  struct Way {
    int from = -1;
    int to = -1;
    std::string bytes;  // read and not written
  };
  struct Pair {
    Way up;    // worker to broker
    Way down;  // broker to worker
    bool frozen = false;

    void close_all() {
      if (up.from >= 0) close(up.from);
      if (up.to >= 0) close(up.to);
      up.from = up.to = -1;
    }
  };
  static constexpr size_t buffered_max = 1 << 20;

  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void order(Order what) {
    std::unique_lock lock(mutex_);
    order_ = what;
    const uint64_t one = 1;
    if (::write(wake_, &one, sizeof one) != sizeof one) throw std::runtime_error("the relay cannot be woken");
    done_.wait(lock, [this] { return order_ == Order::none; });
  }

  // False: it ends.
  bool obey() {
    uint64_t count = 0;
    if (::read(wake_, &count, sizeof count) != sizeof count) return true;
    const std::lock_guard lock(mutex_);
    const Order what = order_;
    for (Pair& pair : pairs_) {
      if (what == Order::cut) pair.close_all();
      if (what == Order::cut_workers_side && pair.up.from >= 0) {
        close(pair.up.from);
        pair.up.from = pair.down.to = -1;
        pair.frozen = true;
      }
      if (what == Order::freeze) pair.frozen = true;
    }
    pairs_.remove_if([](const Pair& pair) { return pair.up.to < 0; });
    order_ = Order::none;
    done_.notify_all();
    return what != Order::end;
  }

  void accept_all() {
    for (;;) {
      const int worker = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (worker < 0) return;
      const int broker = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = loopback(broker_port_);
      if (broker < 0 || connect(broker, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        close(worker);
        if (broker >= 0) close(broker);
        continue;
      }
      fcntl(broker, F_SETFL, O_NONBLOCK);
      pairs_.push_back({{worker, broker, {}}, {broker, worker, {}}, false});
    }
  }

  // False: one of the ends is gone.
  static bool move(Way& way) {
    char chunk[65'536];
    while (way.bytes.size() < buffered_max) {
      const ssize_t got = recv(way.from, chunk, sizeof chunk, 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
      if (got < 0) break;
      way.bytes.append(chunk, static_cast<size_t>(got));
    }
    while (!way.bytes.empty()) {
      const ssize_t put = send(way.to, way.bytes.data(), way.bytes.size(), MSG_NOSIGNAL);
      if (put < 0 && errno != EAGAIN) return false;
      if (put < 0) break;
      way.bytes.erase(0, static_cast<size_t>(put));
    }
    return true;
  }

  void relay() {
    std::vector<pollfd> items;
    for (;;) {
      items.assign({{wake_, POLLIN, 0}, {listener_, POLLIN, 0}});
      for (const Pair& pair : pairs_) {
        if (pair.frozen) continue;
        for (const Way* way : {&pair.up, &pair.down}) {
          if (way->bytes.size() < buffered_max) items.push_back({way->from, POLLIN, 0});
          if (!way->bytes.empty()) items.push_back({way->to, POLLOUT, 0});
        }
      }
      poll(items.data(), items.size(), -1);
      if (!obey()) return;
      accept_all();
      for (Pair& pair : pairs_) {
        if (!pair.frozen && !(move(pair.up) && move(pair.down))) pair.close_all();
      }
      pairs_.remove_if([](const Pair& pair) { return pair.up.to < 0; });
    }
  }

  const uint16_t broker_port_;
  const int wake_;
  const int listener_;
  std::string endpoint_;
  std::list<Pair> pairs_;  // the relay's

  std::mutex mutex_;
  std::condition_variable done_;
  Order order_ = Order::none;  // under mutex_
  std::thread thread_;
};

}  // namespace signalbox::test
