// The worker library against a broker that says whatever it likes: the input chooses what comes from it, well-formed
// and in order mostly, and what the program does meanwhile. The link is a scripted one (scripted_link.hpp), the clock
// is the machine's, and no step waits.
//
// What the worker sends must be the protocol's: frames that parse, batches of whole messages that number on,
// settlements of nothing but what was delivered, and nothing between a HELLO and its answer.
#include <memory>
#include <stdexcept>
#include <vector>

#include "protocol/header.hpp"
#include "protocol/message_view.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/made_message.hpp"
#include "tests/fuzz/scripted_link.hpp"
#include "worker/worker.hpp"

namespace signalbox::fuzz {
namespace {

constexpr size_t steps_max = 300;
constexpr size_t frames_waiting_max = 200;
constexpr std::array<std::string_view, 8> codes = {"not_registered",   "taken_over", "gap",    "malformed",
                                                   "unknown_endpoint", "too_many",   "window", "\x1b[2Jno code"};

class Play {
 public:
  explicit Play(Bytes input);
  ~Play() { link_script() = {}; }
  void run();

 private:
  void sent(Bytes header, std::optional<Bytes> body);
  void received(const ScriptedFrames& frames);
  void step();
  void broker_says();
  void welcome();
  void deliver();
  void answer();
  void program_does();
  void settle_held();
  void handle(Bytes bytes);
  void put(std::string header, std::string body = {}, uint32_t count = 1);

  Choices choices_;
  std::unique_ptr<Worker> worker_;
  std::vector<Held> held_;

  // Of the connection that stands.
  bool hello_open_ = false;  // HELLO has left, and no WELCOME has come since
  Seq next_sent_ = 0;        // 0: any
  Seq delivered_ = 0;        // by well-formed frames, on the line still or not
  Seq received_ = 0;         // whole messages that the worker has got, spoilt or not
  Seq sent_upto_ = 0;        // ever
};

Play::Play(Bytes input) : choices_(input) {
  LinkScript& script = link_script();
  script = {};
  script.sent = [this](Bytes header, std::optional<Bytes> body) { sent(header, body); };
  script.received = [this](const ScriptedFrames& frames) { received(frames); };
  script.reopened = [this] {
    hello_open_ = false;
    next_sent_ = 0;
    delivered_ = 0;
    received_ = 0;
  };
  const unsigned first = choices_.take();
  WorkerOptions options;
  options.role = (first & 1) != 0 ? Role::transport : Role::application;
  options.name = "worker";
  options.session.assign(limits::session_id_bytes, 's');
  options.prefetch = first >> 1 & 7;
  options.backoff_ms_min = 0;
  options.backoff_ms_max = 0;
  worker_ = std::make_unique<Worker>(std::move(options));
  if ((first & 0x10) != 0) worker_->on_message([this](const Delivery& delivery) { handle(delivery.bytes); });
  if ((first & 0x20) != 0) worker_->on_user_message([this](const Message& message) { handle(message.bytes()); });
  if ((first & 0x40) != 0) worker_->on_event([this](const Message& message) { handle(message.bytes()); });
  worker_->on_confirmed([this](Seq upto) { require(upto <= sent_upto_, "a confirmation of what was never sent", {}); });
  worker_->on_refused([this](const Refusal& refusal) {
    require(refusal.seq <= sent_upto_, "a refusal of what was never sent", refusal.message);
    require(map_bytes(refusal.message) == refusal.message.size(), "a refusal without its message", refusal.message);
  });
}

void Play::run() {
  for (size_t steps = 0; steps < steps_max && !choices_.done(); ++steps) {
    step();
    worker_->check_invariants();
  }
  (void)worker_->close(Worker::Milliseconds(0));
  worker_->check_invariants();
}

void Play::put(std::string header, std::string body, uint32_t count) {
  if (choices_.take() >= 0xf8) spoil(header, choices_);
  LinkScript& script = link_script();
  if (script.to_worker.size() < frames_waiting_max)
    script.to_worker.push_back({std::move(header), std::move(body), count});
}

void Play::received(const ScriptedFrames& frames) {
  const std::optional<BrokerFrame> frame = parse_broker_frame(frames.header);
  if (!frame) return;
  if (std::holds_alternative<Welcome>(*frame)) hello_open_ = false;
  if (!std::holds_alternative<Deliver>(*frame)) return;
  Bytes rest = frames.body;
  for (std::optional<size_t> bytes = map_bytes(rest); bytes; bytes = map_bytes(rest)) {
    rest.remove_prefix(*bytes);
    ++received_;
  }
}

void Play::sent(Bytes header, std::optional<Bytes> body) {
  const std::optional<WorkerFrame> frame = parse_worker_frame(header, limits::max_prefetch);
  require(frame.has_value(), "a frame that is none of a worker's", header);
  require(std::holds_alternative<Send>(*frame) == body.has_value(), "a body where none belongs, or none", header);
  if (std::holds_alternative<Hello>(*frame)) {
    hello_open_ = true;
    next_sent_ = 0;
    return;
  }
  require(!hello_open_, "a frame before the answer to HELLO", header);
  if (const auto* ack = std::get_if<Ack>(&*frame)) {
    SeqList also = ack->also;
    Seq highest = ack->upto;
    while (also.size() > 0) highest = std::max(highest, also.take());
    require(highest <= received_, "an ACK of what was not delivered", header);
  } else if (const auto* nack = std::get_if<Nack>(&*frame)) {
    require(nack->seq >= 1 && nack->seq <= received_, "a NACK of what was not delivered", header);
  } else if (const auto* send = std::get_if<Send>(&*frame)) {
    // What a broker has confirmed before it got it is not sent any more.
    const bool is_gap_confirmed = send->first_seq > next_sent_ && send->first_seq - 1 <= worker_->confirmed();
    require(next_sent_ == 0 || send->first_seq == next_sent_ || is_gap_confirmed, "batches do not number on", header);
    next_sent_ = send->first_seq;
    for (Bytes rest = *body; !rest.empty(); ++next_sent_) {
      const std::optional<size_t> bytes = map_bytes(rest);
      require(bytes.has_value(), "a batch that holds no message", rest);
      rest.remove_prefix(*bytes);
    }
    require(next_sent_ > send->first_seq && next_sent_ - 1 <= sent_upto_, "a batch of what nobody sent", header);
  }
}

void Play::step() {
  const unsigned choice = choices_.take();
  switch (choice % 8) {
    case 0:
    case 1:
    case 2:
      broker_says();
      break;
    case 3:
    case 4:
    case 5:
      program_does();
      break;
    case 6:
      worker_->do_work();
      break;
    default: {
      LinkScript& script = link_script();
      const unsigned what = choices_.take();
      script.blocked = what % 4 == 1;
      script.lost = what % 4 == 2;
      script.no_sockets = what >= 0xf0;
      if (what % 32 == 3) script.handshake_fault = {"the handshake failed", what >= 0x80};
    }
  }
}

// --- the broker

void Play::broker_says() {
  switch (choices_.below(6)) {
    case 0:
      return welcome();
    case 1:
    case 2:
      return deliver();
    case 3:
    case 4:
      return answer();
    default: {
      const unsigned choice = choices_.take();
      const Bytes header = choices_.bytes(choice & 31);
      put(std::string(header), std::string(choices_.bytes(choice >> 3)), 1 + choice % 3);
    }
  }
}

void Play::welcome() {
  const unsigned choice = choices_.take();
  Welcome welcome;
  welcome.session = "ssssssssssssssss";
  welcome.last_seq =
      choice >= 0xf0 ? choices_.number() : std::min<Seq>(sent_upto_, worker_->confirmed() + (choice & 3));
  welcome.limits.send_window = choice >> 2 & 7;
  welcome.limits.send_window_bytes = (choice & 0x20) != 0 ? 700 : 0;
  welcome.limits.max_batch_bytes = (choice & 0x40) != 0 ? 500 : 0;
  welcome.limits.max_prefetch = choice >> 4 & 7;
  welcome.limits.broker = "a broker";
  std::string header;
  write(header, welcome);
  put(std::move(header));
}

void Play::deliver() {
  const unsigned choice = choices_.take();
  std::string body;
  Seq messages = 0;
  for (; messages <= (choice & 3); ++messages) append_made_message(body, choices_);
  if (choice >= 0xf8) spoil(body, choices_);
  const Deliver frame{choice >= 0xf0 ? choices_.number() : delivered_ + 1, (choice & 4) != 0};
  delivered_ += messages;
  std::string header;
  write(header, frame);
  put(std::move(header), std::move(body), (choice & 0x78) == 0x78 ? choice & 3 : 2);
}

void Play::answer() {
  const unsigned choice = choices_.take();
  const Seq near = worker_->confirmed() + (choice >> 4 & 7);
  const Seq seq = choice >= 0xf0 ? choices_.number() : std::min(near, sent_upto_);
  std::string header;
  switch (choice & 15) {
    case 0:
      write(header, Ping{});
      break;
    case 1:
      write(header, Pong{});
      break;
    case 2:
      write(header, Bye{choice >= 0x80 ? Bytes("draining") : Bytes()});
      break;
    case 3:
    case 4:
      write(header, ErrorFrame{choices_.of(codes), choices_.bytes(choice >> 4)});
      break;
    case 5:
    case 6:
    case 7:
    case 8:
      write(header, Refuse{seq, choices_.of(codes), choices_.bytes(choice >> 4)});
      break;
    default:
      write(header, Confirm{seq});
  }
  put(std::move(header));
}

// --- the program

void Play::program_does() {
  const unsigned choice = choices_.take();
  switch (choice & 15) {
    case 0:
    case 1:
    case 2:
    case 3: {
      std::string message;
      append_made_message(message, choices_);
      if (map_bytes(message) != message.size()) return;
      // Told of a batch that leaves at once, too.
      const Seq before = sent_upto_;
      ++sent_upto_;
      const SendResult result = worker_->try_send(message);
      require(!result || result.seq == sent_upto_, "a number that does not follow the one before", message);
      if (!result) sent_upto_ = before;
      break;
    }
    case 4:
      worker_->flush();
      break;
    case 5:
    case 6:
    case 7:
      if (const auto delivery = worker_->receive(Worker::Milliseconds(0))) {
        require(map_bytes(delivery->bytes) == delivery->bytes.size(), "a delivery that is no message", delivery->bytes);
        if ((choice & 0x10) != 0) held_.push_back(worker_->hold());
      }
      break;
    case 8:
      worker_->pause();
      break;
    case 9:
      worker_->resume();
      break;
    case 10:
      worker_->set_prefetch(choice >> 4);
      break;
    case 11:
      (void)worker_->post([this] { worker_->flush(); });
      break;
    case 12:
      if (choice >= 0xf0) (void)worker_->close(Worker::Milliseconds(0));
      break;
    default:
      settle_held();
  }
}

void Play::settle_held() {
  if (held_.empty()) return;
  const unsigned choice = choices_.take();
  const size_t place = (choice >> 3) % held_.size();
  const Held one = held_[place];
  if ((choice & 4) == 0) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(place));
  if ((choice & 1) != 0) {
    worker_->ack(one);
  } else {
    worker_->nack(one, "because", (choice & 2) != 0);
  }
}

void Play::handle(Bytes bytes) {
  require(map_bytes(bytes) == bytes.size(), "a handler gets what is no message", bytes);
  switch (choices_.below(6)) {
    case 0:
      throw Reject("never");
    case 1:
      throw std::runtime_error("not \x01 now");
    case 2:
      held_.push_back(worker_->hold());
      break;
    case 3:
      worker_->do_work();
      break;
    default:
      break;
  }
}

}  // namespace

void worker(Bytes input) {
  Play(input).run();
}

}  // namespace signalbox::fuzz
