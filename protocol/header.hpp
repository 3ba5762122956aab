// The header frames of the protocol, both ways: parsing what a peer sent, writing what we send.
//
// A header is one MessagePack array [type, …]. Elements past those known are ignored, bytes after the array are
// malformed.
// Parsing borrows: every Bytes in a parsed frame points into the header it was parsed from.
//
// Thread: any; no state.
// Errors: a header that is not what protocol page section 7 allows gives an empty optional; nothing throws.
// Bounds: limits::nesting_levels_max, limits::header_bytes_max; no length is believed before its bytes are there.
// Tested by header_test.cpp, fuzz_header.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "protocol/codes.hpp"

namespace signalbox {

enum class FrameType : uint8_t {
  hello = 1,
  send = 2,
  ack = 3,
  nack = 4,
  flow = 5,
  ping = 6,
  pong = 7,
  bye = 8,
  welcome = 16,
  deliver = 17,
  confirm = 18,
  refuse = 19,
  error = 20,
};

struct Hello {
  uint64_t version = 1;      // where it is not 1, nothing else was read
  std::optional<Role> role;  // always set in version 1
  Bytes name;
  Bytes session;  // 16 bytes, or empty: none
  Seq confirmed = 0;
  uint64_t prefetch = 1000;
  Bytes client;
  Bytes instance;
};

struct Send {
  Seq first_seq = 0;  // never 0 once parsed
};

// The numbers of an ACK's `also`, still encoded; for_each decodes them one by one.
class SeqList {
 public:
  SeqList() = default;
  // `encoded` holds exactly `count` MessagePack unsigned integers, as parse_worker_frame has checked.
  SeqList(Bytes encoded, uint32_t count) : encoded_(encoded), count_(count) {}

  uint32_t size() const { return count_; }
  // The next number, taken off the front. REQUIRES: size() > 0.
  Seq take();

 private:
  Bytes encoded_;
  uint32_t count_ = 0;
};

struct Ack {
  Seq upto = 0;
  SeqList also;
};

struct Nack {
  Seq seq = 0;
  Bytes reason;
  bool requeue = false;
};

struct Flow {
  uint64_t prefetch = 0;
};

struct Ping {};
struct Pong {};

struct Bye {
  Bytes reason;
};

// What WELCOME's `limits` map says. The worker library reads the same struct that the broker writes.
struct Limits {
  uint64_t heartbeat_ms = 0;
  uint64_t max_message_bytes = 0;
  uint64_t max_batch_bytes = 0;
  uint64_t send_window = 0;
  uint64_t send_window_bytes = 0;
  uint64_t max_prefetch = 0;
  bool durable = false;
  std::string broker;           // product and version
  uint64_t ack_timeout_ms = 0;  // 0: not set, and not named
};

struct Welcome {
  uint64_t version = 1;
  Bytes session;  // empty: nil
  Seq last_seq = 0;
  Limits limits;
};

struct Deliver {
  Seq first_seq = 0;
  bool redelivered = false;
};

struct Confirm {
  Seq upto = 0;
};

struct Refuse {
  Seq seq = 0;
  Bytes code;
  Bytes text;
};

struct ErrorFrame {
  Bytes code;
  Bytes text;
};

using WorkerFrame = std::variant<Hello, Send, Ack, Nack, Flow, Ping, Pong, Bye>;
using BrokerFrame = std::variant<Welcome, Deliver, Confirm, Refuse, ErrorFrame, Ping, Pong, Bye>;

// What a worker sent; empty: ERROR malformed. `max_also` bounds the length of an ACK's `also` (limits.max_prefetch).
// A HELLO whose name is no legal name parses (the answer is unknown_endpoint), one whose role is neither of the two
// does not. A BYE may leave its reason out; an option of HELLO that is nil is as if left out.
[[nodiscard]] std::optional<WorkerFrame> parse_worker_frame(Bytes header, uint64_t max_also);

// What the broker sent; empty: not a frame of this protocol. Limits that WELCOME leaves out have their defaults.
[[nodiscard]] std::optional<BrokerFrame> parse_broker_frame(Bytes header);

// Replace `out` by the encoded header. `out` keeps its capacity, so a reused one allocates nothing.
// REQUIRES: a role. Options at their defaults are left out.
void write(std::string& out, const Hello& frame);
void write(std::string& out, const Send& frame);
// ACK's `also` as plain numbers (may be empty: the element is left out).
void write_ack(std::string& out, Seq upto, const Seq* also = nullptr, size_t also_count = 0);
void write(std::string& out, const Nack& frame);
void write(std::string& out, const Flow& frame);
void write(std::string& out, const Ping& frame);
void write(std::string& out, const Pong& frame);
void write(std::string& out, const Bye& frame);
void write(std::string& out, const Welcome& frame);
void write(std::string& out, const Deliver& frame);
void write(std::string& out, const Confirm& frame);
void write(std::string& out, const Refuse& frame);
void write(std::string& out, const ErrorFrame& frame);

}  // namespace signalbox
