// Handlers side by side: for programs whose handlers take their time, with a database, say, or another server.
//
//   signalbox::Worker worker(options);
//   signalbox::HandlerThreads threads(worker, 8, [&](const signalbox::Delivery& delivery, signalbox::Outbox& outbox) {
//     const signalbox::Message message(delivery.bytes);
//     outbox.send(message.reply(look_up(message.content())));
//   });
//   worker.run();
//   threads.finish(std::chrono::seconds(10));
//   worker.close(std::chrono::seconds(5));
//
// The thread that works the loop copies each delivery, holds it and puts it into a queue; a handler thread takes it,
// runs the handler and puts back what the handler sent; the loop's thread hands that to the worker, as its window has
// room, and then acknowledges the delivery. So the worker stays with one thread, and its loop goes on whatever handlers
// do. If the connection that the delivery came by is over when the handler is done, what it sent is dropped, since the
// broker delivers the message again.
//
// Order: messages are begun in order, and finished as they are. Two messages of one user may be handled at the same
// time, and their answers leave in either order; who cannot have that handles them on the loop's thread, or has more
// workers under one name instead.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "protocol/exchange.hpp"
#include "protocol/limits.hpp"
#include "worker/message.hpp"

namespace signalbox {

class Worker;

// What one handler sends for one delivery.
//
// Thread: the handler's, while it runs. Owns: copies of the messages.
// Errors: returned. Bounds: max_batch_bytes for each message.
// Tested by handler_threads_test.cpp.
class Outbox {
 public:
  // False: over max_batch_bytes, or empty; nothing was taken.
  // REQUIRES: `encoded` is exactly one MessagePack map.
  bool send(Bytes encoded);
  bool send(const Message& message) { return send(message.bytes()); }

 private:
  friend class HandlerThreads;
  uint64_t message_bytes_max_ = 0;
  std::string bytes_;         // message behind message
  std::vector<size_t> ends_;  // of each
};

// Thread: the handler runs on the threads made here, several at a time; of the worker it may use post() and stop(), and
//         nothing else. All the rest belongs to the thread that works the worker's loop, constructor and destructor
//         included.
// Owns:   the threads, and copies of what they work on. The worker must outlive it, and is to have one of these at
// most. Errors: what the handler throws ends as a NACK, exactly as with Worker::on_message, and what it sent is
// dropped. A
//         thread that cannot be had throws std::system_error from the constructor.
// Bounds: the prefetch, which is what the worker holds at most; waiting_max whatever the broker delivers: there the
//         loop waits for a thread.
// Tested by handler_threads_test.cpp.
class HandlerThreads {
 public:
  using Handler = std::function<void(const Delivery&, Outbox&)>;
  static constexpr size_t waiting_max = limits::max_prefetch;

  // Takes the place of on_message; on_user_message and on_event must not be set. REQUIRES: threads > 0.
  HandlerThreads(Worker& worker, size_t threads, Handler handler);

  // Waits for the handlers that run, not for what waits. What they sent is handed to the worker as far as its window
  // has room, and acknowledged; the rest stays held, and goes back to the broker when the worker closes. finish()
  // first, to leave nothing.
  ~HandlerThreads();
  HandlerThreads(const HandlerThreads&) = delete;
  HandlerThreads& operator=(const HandlerThreads&) = delete;

  // Pauses the worker, which stays paused, and works the loop until all that was taken has been handled and settled.
  // False: the time is over, or the worker has ended.
  bool finish(std::chrono::milliseconds timeout);

  // Taken and not settled.
  size_t under_way() const { return under_way_; }

 private:
  struct Task {
    Held held;
    Delivery delivery;
    std::string bytes;  // delivery points here
    Outbox outbox;
    size_t messages_sent = 0;  // of the outbox, and where the next begins
    size_t bytes_sent = 0;
    bool failed = false;
    bool requeue = true;
    std::string reason;
  };
  using Tasks = std::deque<std::unique_ptr<Task>>;

  // The loop's thread.
  void take(const Delivery& delivery);
  void drop_outdated();
  size_t settle_finished();
  bool settle(Task& task);
  std::unique_ptr<Task> next_finished();
  void recycle(std::unique_ptr<Task> task);
  void stop_threads();
  // The handlers'.
  void work();
  void handle(Task& task);

  Worker& worker_;
  const Handler handler_;

  // The loop's thread only.
  size_t under_way_ = 0;
  uint64_t connection_ = 0;         // of the newest delivery taken
  std::unique_ptr<Task> settling_;  // finished, and its messages wait for room in the window
  std::vector<std::unique_ptr<Task>> spare_;

  std::mutex mutex_;
  std::condition_variable work_waits_;
  std::condition_variable room_;
  Tasks waiting_;                          // under mutex_
  Tasks finished_;                         // under mutex_
  bool stopping_ = false;                  // under mutex_
  std::atomic<bool> any_finished_{false};  // the loop asks each turn, without the mutex

  std::vector<std::thread> threads_;
};

}  // namespace signalbox
