// The worst that a simulated worker does: frames that nobody should send, and messages as large as they may be.
#include "tests/simulation/simulated_worker.hpp"

namespace signalbox::simulation {
namespace {

template <typename Frame>
std::string header_of(const Frame& frame) {
  std::string header;
  write(header, frame);
  return header;
}

}  // namespace

// What routers go by, and sizes one byte round every limit.
void SimulatedWorker::go_astray(Draft& draft) {
  Random& random = world_.random;
  static constexpr const char* words[] = {"stop", "help me", "go ", "STOP it", ""};
  draft.first_words = words[random.below(std::size(words))];
  if (random.chance(700)) draft.to_addr = numbered("800", random.below(5));
  if (random.chance(700)) draft.from_addr = numbered("800", random.below(5));
  if (draft.kind == MessageKind::event || draft.flaw != Flaw::none || !random.chance(60)) return;
  const Scenario& scenario = world_.scenario;
  const uint64_t limits[] = {scenario.max_message_bytes, scenario.send_window_bytes, scenario.max_unsettled_bytes,
                             scenario.endpoint(endpoint_).max_bytes};
  const uint64_t limit = limits[random.below(std::size(limits))];
  world_.messages.fill_up(draft, std::min(limit, scenario.max_message_bytes) + random.below(3) - 1);
}

// One to three hostile frames: the first ends the registration, the others come from a stranger.
void SimulatedWorker::attack() {
  Random& random = world_.random;
  for (uint64_t left = random.between(1, 3); left > 0; --left) {
    const uint64_t choice = random.below(8);
    world_.journal.note("worker attacks: worker, connection, how", index_, connection_, choice);
    if (choice == 0) {
      say(random.bytes(random.below(40)), random.bytes(random.below(20)), random.between(1, 3));
    } else if (choice == 1) {
      say(header_of(Ping{}) + "\x01");  // bytes behind the array
    } else if (choice == 2) {
      say(std::string(40, static_cast<char>(0x91)) + "\x06");  // too deep
    } else if (choice == 3) {
      say(header_of(Flow{1}), "a body", 2);
    } else if (choice == 4) {
      say(std::string(limits::header_bytes_max + 1, '\x91'));
    } else if (choice == 5) {
      say(header_of(Nack{0, {}, false}));
    } else if (choice == 6) {
      attack_with_hello();
    } else {
      attack_with_send();
    }
  }
}

void SimulatedWorker::attack_with_hello() {
  Hello hello;
  hello.role = role_;
  hello.name = name_;
  hello.session = session_;
  const uint64_t choice = world_.random.below(4);
  if (choice == 0) hello.version = 2;
  if (choice == 1) hello.name = "nobody";
  if (choice == 2) hello.role = role_ == Role::transport ? Role::application : Role::transport;
  say(header_of(hello), choice == 3 ? "a body" : "", choice == 3 ? 2 : 1);
}

void SimulatedWorker::attack_with_send() {
  const std::string one = world_.messages.add(draft(), {}).sent;
  switch (world_.random.below(5)) {
    case 0:
      return say(header_of(Send{1}));  // no body
    case 1:
      return say(header_of(Send{1}), one, 3);  // a frame too many
    case 2:
      return say(header_of(Send{0}), one, 2);
    case 3:
      return say(header_of(Send{1}), {}, 2);  // an empty body
    default: {
      std::string body;
      while (body.size() <= world_.scenario.max_batch_bytes) body += one;
      return say(header_of(Send{sent_ + 1}), std::move(body), 2);
    }
  }
}

}  // namespace signalbox::simulation
