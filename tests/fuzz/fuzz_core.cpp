// The whole core: the input says, byte by byte, which peer sends which frame, which connection blocks or breaks, how
// time passes and when the configuration changes. Frames are well-formed mostly, and then spoilt at times, or are bytes
// of the input as they are.
//
// After each step the core's invariants must hold, its ledger among them. Each frame that comes out must be one of the
// protocol's, and fit those before it on its connection: deliveries number on from 1 and hold whole messages,
// confirmations do not go back, refusals come in order. Bodies are kept for a while and must not change under way.
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/core.hpp"
#include "protocol/header.hpp"
#include "protocol/message_view.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/installations.hpp"
#include "tests/fuzz/made_message.hpp"

namespace signalbox::fuzz {
namespace {

constexpr size_t steps_max = 400;
constexpr size_t peers_max = 8;
constexpr size_t bodies_kept_max = 6;

constexpr std::array<std::string_view, 12> names = {"sms",          "ussd",       "carrier", "survey",
                                                    "helper",       "core",       "nobody",  "other",
                                                    "dead_letters", "inner_dead", "",        "no\x01name"};
constexpr std::array<uint64_t, 10> spans_ms = {1, 7, 60, 100, 249, 1000, 5001, 30'000, 61'000, 700'000'000};

// A peer's end of a connection, and what the broker has told it there.
struct Peer {
  ConnectionId connection = 0;
  Output::Result takes = Output::Result::sent;
  Seq next_sent = 1;
  Seq delivered = 0;
  Seq confirmed = 0;  // since WELCOME
  Seq refused = 0;
};

class Play final : public Output {
 public:
  explicit Play(Bytes input);
  void run();

 private:
  struct Kept {
    Run run;
    size_t hash = 0;
  };

  Result send(ConnectionId to, Bytes header, Run body) override;
  void see(Peer& peer, const Deliver& frame, Bytes body);
  void prepare(Settings& settings) const;
  std::vector<PeerSettings> rights(unsigned choice) const;

  void step();
  void send_messages(Peer& peer);
  void say_hello(Peer& peer);
  void acknowledge(Peer& peer);
  void reject(Peer& peer);
  void say_little(Peer& peer);
  void send_raw(Peer& peer);
  void pass_time();
  void connect_anew(Peer& peer);
  void change_configuration();
  void frame(Peer& peer, std::string header, std::string body, size_t parts);
  std::string_view key_of(const Peer& peer) const;
  void drop_bodies(size_t left);
  void end();

  Choices choices_;
  const bool keyed_;
  Time now_{.monotonic_ms = 1000, .wall_us = 1'700'000'000'000'000};
  std::array<Peer, peers_max> peers_;
  ConnectionId last_connection_ = 0;
  std::deque<Kept> kept_;
  Running running_;
  std::unique_ptr<Core> core_;
};

Play::Play(Bytes input) : choices_(input), keyed_(choices_.take() >= 0xc0) {
  for (Peer& peer : peers_) peer.connection = ++last_connection_;
  const std::unique_ptr<Configuration> first = installation(choices_.below(installation_count));
  running_ = running(*first);
  prepare(first->settings);
  core_ = std::make_unique<Core>(std::move(first->settings), *this);
}

void Play::prepare(Settings& settings) const {
  settings.keys_required = keyed_;
  if (keyed_) settings.peers = rights(0xff);
}

// Two keys, of which `choice` says what each may be.
std::vector<PeerSettings> Play::rights(unsigned choice) const {
  std::vector<PeerSettings> all = {{"first", std::string(key_bytes, '1'), {}},
                                   {"second", std::string(key_bytes, '2'), {}}};
  for (size_t i = 0; i < names.size() - 2; ++i) {
    PeerSettings& owner = all[i % 2];
    if ((choice >> (i % 8) & 1) == 0) continue;
    owner.may_be.push_back({Role::transport, std::string(names[i])});
    owner.may_be.push_back({Role::application, std::string(names[i])});
  }
  return all;
}

// --- what comes out

Output::Result Play::send(ConnectionId to, Bytes header, Run body) {
  const auto found = std::ranges::find(peers_, to, &Peer::connection);
  if (found == peers_.end()) return Result::gone;
  Peer& peer = *found;
  if (peer.takes != Result::sent) return peer.takes;
  const Exact exact(header);
  const std::optional<BrokerFrame> frame = parse_broker_frame(exact.bytes());
  require(frame.has_value(), "a frame that is none of the broker's", header);
  require(std::holds_alternative<Deliver>(*frame) == !body.empty(), "a body where none belongs, or none", header);
  if (std::holds_alternative<Welcome>(*frame)) {
    peer.confirmed = std::get<Welcome>(*frame).last_seq;
    peer.refused = 0;
  } else if (const auto* confirm = std::get_if<Confirm>(&*frame)) {
    require(confirm->upto >= peer.confirmed, "a confirmation goes back", header);
    peer.confirmed = confirm->upto;
  } else if (const auto* refuse = std::get_if<Refuse>(&*frame)) {
    require(refuse->seq > peer.refused, "refusals out of order", header);
    peer.refused = refuse->seq;
  } else if (const auto* deliver = std::get_if<Deliver>(&*frame)) {
    see(peer, *deliver, body.bytes());
    kept_.push_back({std::move(body), 0});
    kept_.back().hash = std::hash<std::string_view>()(kept_.back().run.bytes());
  }
  return Result::sent;
}

void Play::see(Peer& peer, const Deliver& frame, Bytes body) {
  require(frame.first_seq == peer.delivered + 1, "deliveries do not number on", body);
  MessageView view;
  while (!body.empty()) {
    require(view.scan(body) != Scan::broken, "a delivery that is no message", body);
    body.remove_prefix(view.bytes().size());
    ++peer.delivered;
  }
}

// The link is through with all but so many bodies.
void Play::drop_bodies(size_t left) {
  while (kept_.size() > left) {
    const Kept& oldest = kept_.front();
    require(std::hash<std::string_view>()(oldest.run.bytes()) == oldest.hash, "a body has changed under way",
            oldest.run.bytes());
    kept_.pop_front();
  }
}

// --- what goes in

void Play::run() {
  core_->check_invariants();
  for (size_t steps = 0; steps < steps_max && !choices_.done(); ++steps) step();
  end();
}

// One byte chooses what happens, to whom, and whether the turn ends with it.
void Play::step() {
  const unsigned choice = choices_.take();
  Peer& peer = peers_[choice >> 4 & 7];
  switch (choice & 15) {
    case 0:
    case 1:
    case 2:
      send_messages(peer);
      break;
    case 3:
    case 4:
      say_hello(peer);
      break;
    case 5:
    case 6:
      acknowledge(peer);
      break;
    case 7:
      reject(peer);
      break;
    case 8:
      say_little(peer);
      break;
    case 9:
      send_raw(peer);
      break;
    case 10:
    case 11:
      pass_time();
      break;
    case 12:
      peer.takes = static_cast<Result>(choices_.below(3));
      break;
    case 13:
      connect_anew(peer);
      break;
    case 14:
      drop_bodies(choices_.below(bodies_kept_max));
      break;
    default:
      change_configuration();
  }
  if (choice < 0x80) {
    core_->flush(now_);
    for (unsigned more = 0; core_->has_more() && more < 4; ++more) core_->flush(now_);
  }
  core_->check_invariants();
  drop_bodies(bodies_kept_max);
}

std::string_view Play::key_of(const Peer& peer) const {
  static const std::array<std::string, 4> keys = {std::string(key_bytes, '1'), std::string(key_bytes, '2'),
                                                  std::string(own_process_key), ""};
  return keys[peer.connection % keys.size()];
}

void Play::frame(Peer& peer, std::string header, std::string body, size_t parts) {
  const unsigned spoilt = choices_.take();
  if (spoilt >= 0xf8) spoil(header, choices_);
  if (spoilt == 0xf7 && !body.empty()) spoil(body, choices_);
  if (spoilt == 0xf6) parts = choices_.below(5);
  // Copies that are gone as soon as the core has had them: what it keeps of a frame must be its own.
  const Exact exact_header(header);
  const Exact exact_body(parts >= 2 ? Bytes(body) : Bytes());
  core_->frame(peer.connection, key_of(peer), exact_header.bytes(), exact_body.bytes(), parts, now_);
}

void Play::send_messages(Peer& peer) {
  const unsigned choice = choices_.take();
  std::string body;
  unsigned messages = 0;
  for (; messages <= (choice & 3); ++messages) append_made_message(body, choices_);
  Seq first = peer.next_sent;
  if (choice >= 0xe0) first = choices_.number();
  std::string header;
  write(header, Send{first});
  peer.next_sent = first + messages;
  frame(peer, std::move(header), std::move(body), 2);
}

void Play::say_hello(Peer& peer) {
  const unsigned choice = choices_.take();
  Hello hello;
  hello.role = (choice & 1) != 0 ? Role::application : Role::transport;
  hello.name = names[(choice >> 1 & 15) % names.size()];
  const std::string session(limits::session_id_bytes, static_cast<char>('a' + (choice >> 5 & 3)));
  if (choice < 0x80) hello.session = session;
  const unsigned more = choices_.take();
  hello.prefetch = more % 8;
  hello.confirmed = more >> 3 & 7;
  if (more >= 0xf0) hello.client = choices_.bytes(more & 15);
  if (more >= 0xfc) hello.version = choices_.number();
  std::string header;
  write(header, hello);
  if ((more & 0x40) == 0) peer.next_sent = 1;
  frame(peer, std::move(header), {}, 1);
}

void Play::acknowledge(Peer& peer) {
  const unsigned choice = choices_.take();
  Seq upto = peer.delivered - std::min<Seq>(peer.delivered, choice & 7);
  if (choice >= 0xf0) upto = choices_.number();
  std::vector<Seq> also;
  for (unsigned i = 0; i < (choice >> 3 & 3); ++i) also.push_back(upto + 1 + choices_.below(8));
  std::string header;
  write_ack(header, upto, also.data(), also.size());
  frame(peer, std::move(header), {}, 1);
}

void Play::reject(Peer& peer) {
  const unsigned choice = choices_.take();
  Nack nack;
  nack.seq = peer.delivered - std::min<Seq>(peer.delivered, choice & 7);
  if (choice >= 0xf0) nack.seq = choices_.number();
  nack.requeue = (choice & 8) != 0;
  if ((choice & 16) != 0) nack.reason = choices_.bytes(5);
  std::string header;
  write(header, nack);
  frame(peer, std::move(header), {}, 1);
}

void Play::say_little(Peer& peer) {
  const unsigned choice = choices_.take();
  std::string header;
  if (choice % 4 == 0) write(header, Flow{choice >= 0xf0 ? choices_.number() : choice >> 2 & 7});
  if (choice % 4 == 1) write(header, Bye{choices_.bytes(choice >> 5)});
  if (choice % 4 == 2) write(header, Ping{});
  if (choice % 4 == 3) write(header, Pong{});
  frame(peer, std::move(header), {}, 1);
}

void Play::send_raw(Peer& peer) {
  const unsigned choice = choices_.take();
  const Bytes header = choices_.bytes(choice & 31);
  const Bytes body = choices_.bytes((choice >> 5) * 16);
  frame(peer, std::string(header), std::string(body), body.empty() ? 1 : 2);
}

void Play::pass_time() {
  const unsigned choice = choices_.take();
  const uint64_t span_ms = spans_ms[(choice & 15) % spans_ms.size()];
  now_.monotonic_ms += span_ms;
  now_.wall_us += static_cast<int64_t>(span_ms) * 1000;
  if (choice >= 0xf0) now_.wall_us -= 86'400'000'000;
  if ((choice & 16) == 0) core_->tick(now_);
}

void Play::connect_anew(Peer& peer) {
  const unsigned choice = choices_.take();
  const ConnectionId before = std::exchange(peer, Peer()).connection;
  peer.connection = ++last_connection_;
  // Otherwise the core has yet to learn it, by a send.
  if ((choice & 1) == 0) core_->connection_gone(before, now_);
}

void Play::change_configuration() {
  const unsigned choice = choices_.take();
  if (choice >= 0xf8) return core_->drain(now_);
  if (choice >= 0xe0) {
    if (keyed_) core_->peers_changed(rights(choices_.take()), now_);
    return;
  }
  const std::unique_ptr<Configuration> next = installation(choice % installation_count, &running_);
  if (next == nullptr) return;  // a name would have to change from an endpoint to a joint
  running_ = running(*next);
  prepare(next->settings);
  core_->reload(std::move(next->settings), now_);
}

// Everybody takes what there is, and then all are gone: whatever has happened, this must work.
void Play::end() {
  for (Peer& peer : peers_) peer.takes = Result::sent;
  for (unsigned turn = 0; turn < 3; ++turn) {
    now_.monotonic_ms += 250;
    core_->tick(now_);
    core_->flush(now_);
    core_->check_invariants();
    drop_bodies(0);
  }
  for (ConnectionId id = 1; id <= last_connection_; ++id) core_->connection_gone(id, now_);
  core_->flush(now_);
  core_->check_invariants();
  require(core_->registrations() == 0, "a registration outlives its connection", {});
  now_.monotonic_ms += 120'000;
  core_->tick(now_);
  core_->check_invariants();
  require(core_->sessions() == 0, "a session outlives session_ttl", {});
  drop_bodies(0);
}

}  // namespace

void core(Bytes input) {
  Play(input).run();
}

}  // namespace signalbox::fuzz
