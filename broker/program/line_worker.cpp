#include "broker/program/line_worker.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "broker/program/json_message.hpp"
#include "broker/program/typed_message.hpp"
#include "protocol/text.hpp"
#include "protocol/value.hpp"
#include "worker/message.hpp"

namespace signalbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto patience_without_words = seconds(1);  // before it is said that there is no broker
constexpr auto longest_wait = std::chrono::hours(1);
constexpr auto rate_catches_up = milliseconds(50);  // what a busy turn kept back is sent after it

// From it there is nothing to read, so whoever gives it as input means to send nothing.
bool is_null_device(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

bool is_map(const std::string& encoded) {
  return !encoded.empty() && value::tag_at(encoded.data()).type == value::Type::map;
}

// The reply has the content as it came, text or not.
std::string echo_of(const Message& message) {
  Message reply = message.reply("");
  const Bytes content = message.value("content");
  if (content.empty()) {
    reply.set_nil("content");
  } else {
    reply.set_value("content", content);
  }
  return reply.encoded();
}

std::string counted(uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

LineWorker::LineWorker(const LineWorkerOptions& options, int input_fd, int output_fd, StopSignal& stop)
    : options_(options),
      listens_(options.listen || options.echo || options.count || is_null_device(input_fd)),
      says_more_(!options.quiet && (options.verbose || isatty(STDERR_FILENO) == 1)),
      started_at_(Clock::now()),
      stop_(stop),
      input_(input_fd),
      output_(output_fd),
      worker_(options.worker),
      next_send_at_(started_at_),
      heard_at_(started_at_),
      unregistered_since_(started_at_) {
  worker_.on_message([this](const Delivery& delivery) { receive(delivery); });
  worker_.on_refused([this](const Refusal& refusal) { refused(refusal); });
}

// --- the loop

void LineWorker::work() {
  for (;;) {
    size_t work = worker_.do_work();
    watch_registration(Clock::now());
    watch_confirmations(Clock::now());
    write_out();
    work += settle();
    work += take_input();
    if (has_to_leave()) return;
    if (work == 0) wait();
  }
}

bool LineWorker::leave() {
  write_out();
  settle();
  const bool is_silent = broker_is_silent(Clock::now());
  const bool was_registered = worker_.state() == Worker::State::registered;
  const bool left_in_order = worker_.close(is_silent ? milliseconds(0) : grace);
  if (was_registered && !left_in_order && !options_.quiet)
    say("the broker did not answer the last word: what was delivered last may be delivered again");
  if (!options_.quiet) sum_up();
  const bool count_is_missing = options_.count && !count_reached();
  return !something_wrong_ && refused_ == 0 && worker_.unconfirmed() == 0 && !count_is_missing;
}

bool LineWorker::has_to_leave() {
  const Clock::time_point now = Clock::now();
  if (stop_.requests() > 0 || is_complete()) return true;
  if (options_.for_s > 0 && now - started_at_ >= seconds(options_.for_s)) return true;
  if (worker_.state() == Worker::State::failed) {
    complain(worker_.fault());
  } else if (output_.is_closed()) {
    complain("standard output: " + output_.fault() + "; what was not written goes back to its queue");
  } else if (broker_is_silent(now)) {
    const std::string where =
        " at " + options_.worker.endpoint + " within " + std::to_string(options_.timeout_s) + " s";
    complain((registrations_ == 0 ? "no broker answers" : "nothing is confirmed") + where +
             (worker_.fault().empty() ? "" : ": " + worker_.fault()));
  } else {
    return false;
  }
  return true;
}

bool LineWorker::is_complete() const {
  if (!message_.empty() || !arrived_.empty() || worker_.unconfirmed() > 0) return false;
  return options_.count ? count_reached() : input_.is_used_up() && !listens_;
}

bool LineWorker::broker_is_silent(Clock::time_point now) const {
  const bool owes_an_answer = registrations_ == 0 || worker_.unconfirmed() > 0;
  return options_.timeout_s > 0 && owes_an_answer && now - heard_at_ >= seconds(options_.timeout_s);
}

void LineWorker::wait() {
  const Clock::time_point now = Clock::now();
  Clock::duration left = longest_wait;
  const auto until = [&left, now](Clock::time_point then) {
    if (then > now) left = std::min(left, then - now);
  };
  // What is due by now waits for the broker, not for the time.
  if (options_.rate > 0 && (!message_.empty() || !arrived_.empty())) until(next_send_at_);
  if (options_.timeout_s > 0) until(heard_at_ + seconds(options_.timeout_s));
  if (options_.for_s > 0) until(started_at_ + seconds(options_.for_s));
  if (worker_.state() != Worker::State::registered) until(unregistered_since_ + patience_without_words);

  std::array<int, 3> descriptors{};
  size_t count = 0;
  descriptors[count++] = stop_.fd();
  if (wants_input()) descriptors[count++] = input_.fd();
  if (watches_output()) descriptors[count++] = output_.fd();
  worker_.wait(std::chrono::ceil<milliseconds>(left), {descriptors.data(), count});
  if (watches_output()) output_.look_for_reader();
}

void LineWorker::watch_registration(Clock::time_point now) {
  const std::string name = std::string(to_string(options_.worker.role)) + " " + options_.worker.name;
  if (worker_.state() == Worker::State::registered) {
    if (registrations_ != worker_.registrations() && (says_more_ || told_that_it_waits_))
      say("registered as " + name + " at " + options_.worker.endpoint);
    if (registrations_ == 0) heard_at_ = now;
    registrations_ = worker_.registrations();
    told_that_it_waits_ = false;
    unregistered_since_ = now;
  } else if (!told_that_it_waits_ && !options_.quiet && now - unregistered_since_ >= patience_without_words) {
    told_that_it_waits_ = true;
    say("waiting for the broker at " + options_.worker.endpoint +
        (worker_.fault().empty() ? "" : ": " + worker_.fault()));
  }
}

void LineWorker::watch_confirmations(Clock::time_point now) {
  if (worker_.confirmed() == confirmed_) return;
  if (says_more_) say("confirmed " + std::to_string(confirmed_ + 1) + ".." + std::to_string(worker_.confirmed()));
  confirmed_ = worker_.confirmed();
  heard_at_ = now;
}

// --- what is delivered

void LineWorker::receive(const Delivery& delivery) {
  const Held held = worker_.hold();
  const std::string fault = append_json(output_.text(), delivery.bytes);
  if (!fault.empty()) {
    complain("a message that JSON cannot show became a dead letter: " + fault);
    worker_.nack(held, fault, false);
    return;
  }
  output_.text() += '\n';
  ++delivered_;
  arrived_.push_back({held, output_.written_bytes() + output_.size(), {}});
  if (options_.echo) {
    const Message message(delivery.bytes);
    // Who has closed the session is not there any more to be answered.
    if (message.is_user_message() && message.session_event() != "close") arrived_.back().reply = echo_of(message);
  }
  if (output_.size() >= output_bytes_max) write_out();
  if (count_reached() || output_.is_closed()) worker_.pause();  // what else is here goes back
}

void LineWorker::write_out() {
  if (output_.size() == 0) return;
  const Clock::time_point before = Clock::now();
  if (output_.flush(stop_.fd())) heard_at_ += Clock::now() - before;  // nobody listened to the broker meanwhile
}

size_t LineWorker::settle() {
  size_t settled = 0;
  for (; !arrived_.empty() && arrived_.front().line_end <= output_.written_bytes(); ++settled) {
    const Arrived& oldest = arrived_.front();
    // One that a lost connection has taken back is delivered again, and answered then.
    if (!oldest.reply.empty() && worker_.is_held(oldest.held) && !send(oldest.reply)) break;
    worker_.ack(oldest.held);
    arrived_.pop_front();
  }
  return settled;
}

// --- what is sent

// False: not now.
bool LineWorker::send(Bytes message) {
  const Clock::time_point now = Clock::now();
  if (options_.rate > 0 && now < next_send_at_) return false;
  if (worker_.unconfirmed() == 0) heard_at_ = now;  // from now on the broker owes an answer
  const SendResult result = worker_.try_send(message);
  if (result.reason == SendResult::Reason::too_large) {
    complain("a reply was not sent: " + too_large(message));
    return true;
  }
  if (!result) return false;
  ++sent_;
  if (options_.rate > 0) {
    const std::chrono::duration<double> interval(1 / options_.rate);
    next_send_at_ = std::max(next_send_at_, now - rate_catches_up) + std::chrono::ceil<Clock::duration>(interval);
  }
  return true;
}

std::string LineWorker::too_large(Bytes message) const {
  return std::to_string(message.size()) + " bytes, and the broker takes at most " +
         std::to_string(worker_.limits().max_batch_bytes);
}

bool LineWorker::wants_input() const {
  return registrations_ > 0 && message_.empty() && !input_.ended() && !count_reached();
}

size_t LineWorker::take_input() {
  size_t done = 0;
  for (bool has_read = false; registrations_ > 0 && done < messages_a_turn; ++done) {
    if (!message_.empty()) {
      if (!send(message_)) break;
      message_.clear();
    } else if (count_reached()) {
      break;
    } else if (const auto line = input_.next()) {
      take_line(*line);
    } else {
      if (has_read || !input_.is_readable()) break;
      input_.read_more();
      has_read = true;
      if (!input_.fault().empty()) complain("standard input: " + input_.fault());
    }
  }
  return done;
}

// Makes the line the next message to be sent, or says why it is none.
void LineWorker::take_line(const InputLines::Line& line) {
  if (!line.is_too_long && line.text.find_first_not_of(" \t\r") == std::string_view::npos) return;
  std::string fault;
  if (line.is_too_long) {
    fault = "longer than " + std::to_string(InputLines::line_bytes_max) + " bytes";
  } else {
    fault = append_message_pack(message_, line.text);
    if (fault.empty() && !is_map(message_)) fault = "a message is a JSON object";
    if (fault.empty() && message_.size() > worker_.limits().max_batch_bytes) fault = too_large(message_);
  }
  if (!fault.empty()) {
    message_.clear();
    ++bad_lines_;
    complain("line " + std::to_string(line.number) + ": " + printable(fault));
  } else if (!options_.raw) {
    fill_in(message_);
  }
}

void LineWorker::refused(const Refusal& refusal) {
  ++refused_;
  std::string json;
  const std::string fault = append_json(json, refusal.message);
  say("refused " + std::to_string(refusal.seq) + " " + printable(refusal.code) + ": " + printable(refusal.text) + " " +
      (fault.empty() ? json : fault));
}

// --- words

void LineWorker::say(const std::string& line) const {
  std::fprintf(stderr, "%s\n", line.c_str());
}

void LineWorker::complain(const std::string& line) {
  something_wrong_ = true;
  say(line);
}

void LineWorker::sum_up() const {
  std::string line = "sent " + std::to_string(sent_) + ", confirmed " + std::to_string(worker_.confirmed() - refused_) +
                     ", refused " + std::to_string(refused_) + ", received " +
                     std::to_string(delivered_ - arrived_.size());
  if (worker_.unconfirmed() > 0) line += ", unconfirmed " + std::to_string(worker_.unconfirmed());
  if (bad_lines_ > 0) line += ", " + counted(bad_lines_, "bad line");
  say(line);
}

}  // namespace signalbox
