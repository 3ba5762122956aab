#include "worker/handler_threads.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "protocol/text.hpp"
#include "worker/worker.hpp"

namespace signalbox {
namespace {

constexpr size_t spare_max = 1024;                        // tasks kept for use again
constexpr size_t spare_bytes_max = 4 * limits::kibibyte;  // of either text of one
constexpr auto longest_wait = std::chrono::hours(24 * 365);

}  // namespace

bool Outbox::send(Bytes encoded) {
  if (encoded.empty() || encoded.size() > message_bytes_max_) return false;
  bytes_.append(encoded);
  ends_.push_back(bytes_.size());
  return true;
}

HandlerThreads::HandlerThreads(Worker& worker, size_t threads, Handler handler)
    : worker_(worker), handler_(std::move(handler)) {
  threads_.reserve(threads);
  try {
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (...) {
    stop_threads();
    throw;
  }
  worker_.each_turn_ = [this] { return settle_finished(); };
  worker_.on_message([this](const Delivery& delivery) { take(delivery); });
}

HandlerThreads::~HandlerThreads() {
  stop_threads();
  settle_finished();
  worker_.on_message({});
  worker_.each_turn_ = {};
  worker_.flush();
}

void HandlerThreads::stop_threads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_waits_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool HandlerThreads::finish(std::chrono::milliseconds timeout) {
  worker_.pause();
  const auto deadline = Worker::Clock::now() + std::min<Worker::Clock::duration>(timeout, longest_wait);
  while (under_way_ > 0) {
    const size_t work = worker_.do_work();
    const auto now = Worker::Clock::now();
    if (under_way_ > 0 && (worker_.ended() || now >= deadline)) return false;
    if (work == 0) worker_.wait(std::chrono::ceil<std::chrono::milliseconds>(deadline - now));
  }
  return true;
}

// --- the loop's thread

void HandlerThreads::take(const Delivery& delivery) {
  const Held held = worker_.hold();
  if (held.connection != connection_) drop_outdated();
  connection_ = held.connection;

  std::unique_ptr<Task> task;
  if (spare_.empty()) {
    task = std::make_unique<Task>();
  } else {
    task = std::move(spare_.back());
    spare_.pop_back();
  }
  task->held = held;
  task->bytes.assign(delivery.bytes);
  task->delivery = {task->bytes, delivery.seq, delivery.redelivered};
  task->outbox.message_bytes_max_ = worker_.limits().max_batch_bytes;
  ++under_way_;
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return waiting_.size() < waiting_max; });
    waiting_.push_back(std::move(task));
  }
  work_waits_.notify_one();
}

// The connection is another: what came by the one before, and has not been begun, comes again.
void HandlerThreads::drop_outdated() {
  Tasks outdated;
  {
    const std::lock_guard lock(mutex_);
    std::swap(outdated, waiting_);
  }
  for (std::unique_ptr<Task>& task : outdated) recycle(std::move(task));
}

size_t HandlerThreads::settle_finished() {
  size_t settled = 0;
  for (; settling_ != nullptr || any_finished_.load(std::memory_order_acquire); ++settled) {
    if (settling_ == nullptr) settling_ = next_finished();
    if (!settle(*settling_)) break;
    recycle(std::move(settling_));
  }
  return settled;
}

// REQUIRES: any_finished_.
std::unique_ptr<HandlerThreads::Task> HandlerThreads::next_finished() {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Task> task = std::move(finished_.front());
  finished_.pop_front();
  any_finished_.store(!finished_.empty(), std::memory_order_release);
  return task;
}

// False: what the handler sent has to wait for room.
bool HandlerThreads::settle(Task& task) {
  if (task.failed) {
    worker_.nack(task.held, task.reason, task.requeue);
    worker_.tell_failure({task.held.seq, task.reason, task.requeue});
    return true;
  }
  const Outbox& outbox = task.outbox;
  for (; task.messages_sent < outbox.ends_.size(); ++task.messages_sent) {
    if (!worker_.is_held(task.held)) return true;  // it comes again, and its answers with it
    const size_t end = outbox.ends_[task.messages_sent];
    const SendResult result = worker_.try_send(Bytes(outbox.bytes_).substr(task.bytes_sent, end - task.bytes_sent));
    if (result.reason == SendResult::Reason::too_large) {  // for a broker that came back with other limits
      worker_.nack(task.held, "an answer is larger than the broker takes", false);
      return true;
    }
    if (!result) return false;
    task.bytes_sent = end;
  }
  worker_.ack(task.held);
  return true;
}

void HandlerThreads::recycle(std::unique_ptr<Task> task) {
  --under_way_;
  if (spare_.size() >= spare_max) return;
  if (task->bytes.capacity() > spare_bytes_max || task->outbox.bytes_.capacity() > spare_bytes_max) return;
  task->outbox.bytes_.clear();
  task->outbox.ends_.clear();
  task->messages_sent = 0;
  task->bytes_sent = 0;
  task->failed = false;
  spare_.push_back(std::move(task));
}

// --- the handlers' threads

void HandlerThreads::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_waits_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    std::unique_ptr<Task> task = std::move(waiting_.front());
    waiting_.pop_front();
    room_.notify_one();
    lock.unlock();
    handle(*task);
    lock.lock();
    finished_.push_back(std::move(task));
    any_finished_.store(true, std::memory_order_release);
    if (finished_.size() > 1) continue;  // the loop has been told of those before it
    lock.unlock();
    worker_.mailbox_.knock();
    lock.lock();
  }
}

void HandlerThreads::handle(Task& task) {
  try {
    handler_(task.delivery, task.outbox);
    return;
  } catch (const Reject& rejection) {
    task.requeue = false;
    task.reason = printable(rejection.what());
  } catch (const std::exception& exception) {
    task.requeue = true;
    task.reason = printable(exception.what());
  } catch (...) {
    task.requeue = true;
    task.reason = "unknown exception";
  }
  task.failed = true;
}

}  // namespace signalbox
