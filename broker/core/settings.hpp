// What the core is built from: endpoints, dispatchers, limits and timings, already checked.
//
// The configuration file becomes this; a test, the simulator or an embedding program may fill it in by hand.
//
// Thread: any, immutable once handed to the core. Owns: names and routers.
// Tested by tests/configuration, core_test.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/codes.hpp"
#include "protocol/limits.hpp"
#include "routers/middleware.hpp"
#include "routers/router.hpp"

namespace signalbox {

enum class Overflow : uint8_t { block, refuse, drop_oldest };
enum class Expired : uint8_t { drop, dead_letter };

struct EndpointSettings {
  std::string name;
  Role role = Role::application;
  uint32_t dispatcher = 0;  // index into Settings::dispatchers
  bool relay = false;       // a transport that may carry another transport_name than its own
  // No worker serves it: what is meant for it goes on at that endpoint, its other side.
  std::optional<EndpointId> joint = std::nullopt;
  // Gone from the configuration by a reload: takes nothing more, and ends removed_endpoint_ms later. Its number is not
  // given to another, since the routing memory may still speak of it.
  bool removed = false;
  bool dead_letters = false;  // reserved: takes dead letters, sends nothing, drops its oldest
  uint64_t max_bytes = limits::queue_bytes;
  uint64_t max_messages = limits::queue_messages;
  Overflow overflow = Overflow::block;
  uint64_t block_ms = limits::block_ms;
  uint32_t max_deliveries = limits::max_deliveries;
  uint64_t redeliver_ms = limits::redeliver_ms;
  uint64_t message_ttl_ms = 0;  // what has waited for so long expires; 0: nothing does
  Expired expired = Expired::drop;
  uint64_t ack_timeout_ms = 0;  // what is under way for so long has failed; 0: for ever is not too long
};

// A piece of middleware under the name that the configuration gives it.
struct NamedMiddleware {
  std::string name;
  std::unique_ptr<Middleware> piece;
};

struct DispatcherSettings {
  std::string name;
  std::unique_ptr<Router> router;
  std::vector<NamedMiddleware> middleware = {};  // as listed
  std::vector<size_t> entering = {};             // places in `middleware`, in the order in which they see what enters
  std::vector<size_t> leaving = {};              // the same for what leaves
  EndpointId dead_letters = 0;                   // where its dead letters go
  bool reply_tracking = true;
  uint64_t expire_routing_memory_s = limits::expire_routing_memory_s;  // 0: until pushed out
  std::string router_class = {};                                       // as the registry has it, for people to read
};

// A name that a peer may register under.
struct PeerRight {
  Role role = Role::application;
  std::string name;
};

// A key, and what whoever shows it may be.
struct PeerSettings {
  std::string name;  // for people
  std::string key;   // the public one's 32 bytes
  std::vector<PeerRight> may_be;
  uint64_t max_registrations = 0;  // at a time with this key; 0: as many as the broker takes
  uint64_t max_sessions = 0;       // kept under this key, lost ones included; 0: twice its max_registrations, if any
};

// The peer key of in-process endpoints and of peers over inproc: they are the host itself, and show no key. No other
// peer key is of this length.
inline constexpr std::string_view own_process_key = "own process";

struct Settings {
  std::string product = "signalbox";                         // what WELCOME calls the broker: product and version
  std::vector<EndpointSettings> endpoints;                   // an EndpointId is an index in here
  std::unique_ptr<StateStore> state = memory_state_store();  // what routers keep; it outlives them
  std::vector<DispatcherSettings> dispatchers;
  bool keys_required = false;         // only the peers below register, each as what it may be; and the own process
  std::vector<PeerSettings> peers;    // no two with one key
  MessageLog* message_log = nullptr;  // where middleware writes of messages; must outlive the core. Null: nowhere

  uint32_t lanes = 0;  // cores that share the endpoints, a thread each; 0: one, on the link's thread

  uint64_t heartbeat_ms = limits::heartbeat_ms;
  uint64_t max_message_bytes = limits::max_message_bytes;
  uint64_t max_batch_bytes = limits::max_batch_bytes;
  uint64_t send_window = limits::send_window_messages;
  uint64_t send_window_bytes = limits::send_window_bytes;
  uint64_t max_prefetch = limits::max_prefetch;
  uint64_t max_registrations = limits::max_registrations;
  uint64_t max_registrations_a_second = limits::max_registrations_a_second;
  uint64_t max_sessions = limits::max_sessions;
  uint64_t max_unsettled_bytes = limits::max_unsettled_bytes;
  uint64_t routing_memory_bytes = limits::routing_memory_bytes;
  uint64_t session_ttl_s = limits::session_ttl_s;
  uint64_t drain_ms = limits::drain_ms;
  uint64_t removed_endpoint_ms = limits::removed_endpoint_ms;
  uint64_t max_log_lines_a_second = limits::max_log_lines_a_second;  // of message_log; the host keeps to it

  // Keys the hash of the routing memory. Random for each process; fixed only in tests.
  std::array<char, 192> hash_secret{};
};

}  // namespace signalbox
