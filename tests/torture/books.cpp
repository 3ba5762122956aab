#include "tests/torture/books.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

namespace signalbox::torture {
namespace {

int64_t now_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace

std::vector<std::string> Assignment::arguments() const {
  std::vector<std::string> words = {std::to_string(scoreboard), std::to_string(messages), std::to_string(slot),
                                    std::to_string(process),    std::to_string(second),   endpoint};
  if (!secret_key.empty()) words.insert(words.end(), {secret_key, server_key});
  return words;
}

Assignment Assignment::read(int argc, char** argv) {
  if (argc != 7 && argc != 9) throw std::invalid_argument("started by the torture run alone");
  Assignment read;
  read.scoreboard = std::stoi(argv[1]);
  read.messages = std::stoull(argv[2]);
  read.slot = std::stoull(argv[3]);
  read.process = static_cast<uint16_t>(std::stoul(argv[4]));
  read.second = static_cast<uint16_t>(std::stoul(argv[5]));
  read.endpoint = argv[6];
  if (argc == 9) {
    read.secret_key = argv[7];
    read.server_key = argv[8];
  }
  if (read.slot >= slot_count) throw std::invalid_argument("there is no such slot");
  return read;
}

uint16_t second_of_run(uint16_t at_start) {
  static const int64_t begin_us = now_us();
  return static_cast<uint16_t>(at_start + (now_us() - begin_us) / 1'000'000);
}

uint64_t Pace::due(uint32_t rate) {
  const int64_t now = now_us();
  if (looked_us_ != 0) owed_ += static_cast<double>(now - looked_us_) * rate / 1e6;
  looked_us_ = now;
  // What a stopped or blocked sender has missed is not made up for all at once.
  owed_ = std::min(owed_, most_at_once_);
  const auto whole = static_cast<uint64_t>(owed_);
  owed_ -= static_cast<double>(whole);
  return whole;
}

// --- sending

bool Books::next(std::string& out, Flow flow, std::string_view transport, std::optional<Subject> subject) {
  number_ = scoreboard_.take_number();
  if (number_ == 0) return false;
  const std::string id = subject ? "m" + std::to_string(subject->number) : std::string();
  const Identity identity{number_, flow, assignment_.process, position_++};
  plan_of(flow).events ? write_event(out, identity, transport, id) : write_message(out, identity, transport, id);
  Record& record = scoreboard_.record(number_);
  record.flow = static_cast<uint8_t>(flow);
  record.process = assignment_.process;
  record.second = second_of_run(assignment_.second);
  record.about_by = subject ? subject->broker : uint8_t{0};
  record.state = State::handed_over;
  return true;
}

void Books::not_taken() {
  scoreboard_.record(number_).state = State::unused;
}

void Books::refused(uint64_t seq, uint8_t broker, std::string_view code) {
  const uint64_t number = sent_[seq % sent_kept];
  Record& record = scoreboard_.record(number);
  record.settled_by = broker;
  record.state = State::refused;
  ++scoreboard_.totals().refused;
  if (flows[record.flow].events && code == to_string(RefusalCode::no_route) && record.about_by == broker)
    fault("event " + std::to_string(number) + " found no way to who sent the message that it is about, which broker " +
          std::to_string(broker) + " had handed out itself");
}

void Books::settled(uint64_t from, uint64_t upto, uint8_t broker) {
  for (uint64_t seq = from; seq <= upto; ++seq) {
    Record& record = scoreboard_.record(sent_[seq % sent_kept]);
    if (record.state.load() == State::refused) continue;
    record.settled_by = broker;
    record.state = State::confirmed;
    ++scoreboard_.totals().confirmed;
  }
}

// --- receiving

void Books::fault(const std::string& text) {
  scoreboard_.fault(std::string(slot().endpoint) + " (process " + std::to_string(assignment_.process) + "): " + text);
}

std::optional<Identity> Books::identify(Bytes bytes) {
  std::optional<Identity> identity;
  if (view_.scan(bytes) == Scan::ok) identity = read_message(view_);
  if (identity && identity->number > 0 && identity->number <= scoreboard_.used()) return identity;
  fault("got a message that nobody sent");
  return {};
}

std::optional<Books::Received> Books::received(Bytes bytes, bool redelivered, uint8_t broker) {
  ++scoreboard_.totals().deliveries;
  if (redelivered) ++scoreboard_.totals().redeliveries;
  const std::optional<Identity> identity = identify(bytes);
  if (!identity) return {};
  const size_t index = copy_for(identity->flow, slot().endpoint);
  if (index == copies_max) {
    fault("got message " + std::to_string(identity->number) + ", which is for others");
    return {};
  }
  Copy& copy = scoreboard_.record(identity->number).copies[index];
  const Received received{*identity, &copy, copy.delivered.load()};
  // A message that its sender had to send again to the next broker is new to that one.
  if (!redelivered && copy.fresh_by.exchange(broker) == broker)
    fault("message " + std::to_string(identity->number) + " came twice as a first delivery of broker " +
          std::to_string(broker));
  count_up(copy.delivered);
  copy.delivered_by = broker;
  if (slot().habit == Habit::ordered) check_order(received, broker);
  return received;
}

// What is here for the first time comes behind all that the same process had sent before.
void Books::check_order(const Received& received, uint8_t broker) {
  Furthest& furthest = furthest_[received.identity.process];
  if (furthest.broker != broker) furthest = {broker, received.identity.position};
  if (received.before == 0 && received.identity.position < furthest.position)
    fault("message " + std::to_string(received.identity.number) + ", the " +
          std::to_string(received.identity.position) + "th of its sender, came behind the " +
          std::to_string(furthest.position) + "th");
  furthest.position = std::max(furthest.position, received.identity.position);
}

void Books::handled(const Received& received) {
  const uint32_t planted = scoreboard_.planted_loss().load();
  if (planted != 0 && received.identity.number % planted == 0) return;
  count_up(received.copy->handled);
}

void Books::dead_letter(Bytes bytes, bool redelivered, uint8_t broker) {
  ++scoreboard_.totals().dead_letters;
  if (redelivered) ++scoreboard_.totals().redeliveries;
  const std::optional<Identity> identity = identify(bytes);
  if (!identity) return;
  using Path = std::array<std::string_view, Edit::path_keys_max>;
  const auto text = [bytes](std::string_view key) {
    const Bytes value = find_value(bytes, Path{"helper_metadata", "dead_letter", key});
    // The shortest two of MessagePack's three forms are all that a name or a reason of this run needs.
    if (value.empty()) return value;
    return value.substr((static_cast<unsigned char>(value.front()) & 0xe0) == 0xa0 ? 1 : 2);
  };
  const size_t index = copy_for(identity->flow, text("endpoint"));
  if (index == copies_max)
    return fault("a dead letter of '" + std::string(text("endpoint")) + "', which message " +
                 std::to_string(identity->number) + " was not for");
  Copy& copy = scoreboard_.record(identity->number).copies[index];
  copy.dead_by = broker;
  if (!text("reason").starts_with("waited for longer")) {
    copy.dead |= Copy::dead_letter_read;
  } else if ((copy.dead.fetch_or(Copy::dead_letter_read | Copy::expired) & Copy::expired) == 0) {
    ++scoreboard_.totals().expired_letters[broker];
  }
}

}  // namespace signalbox::torture
