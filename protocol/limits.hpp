// Every maximum that holds, and every default that WELCOME or the configuration names.
//
// Units stand in the names. What a peer can make grow is bounded by one of these; where two depend on each other a
// static_assert says how. Settings that an operator may change have their default here, and the range in which they may
// lie.
#pragma once

#include <cstddef>
#include <cstdint>

namespace signalbox::limits {

inline constexpr uint64_t kibibyte = 1024;
inline constexpr uint64_t mebibyte = 1024 * kibibyte;

// The wire (protocol page, sections 2, 3 and 7).
inline constexpr uint64_t protocol_version = 1;
inline constexpr uint32_t nesting_levels_max = 32;   // the top-level map or array is level 1
inline constexpr size_t name_bytes_max = 255;        // endpoint names
inline constexpr size_t message_id_bytes_max = 255;  // message_id, user_message_id
inline constexpr size_t peer_text_bytes_max = 255;   // client, instance, reasons: cut there
inline constexpr size_t session_id_bytes = 16;
inline constexpr size_t header_bytes_max = 1 * mebibyte;         // the longest legal ACK lies below it, see below
inline constexpr uint64_t oversize_grace_bytes = 64 * kibibyte;  // over max_batch_bytes: ERROR; over that too: cut off

// Defaults of what WELCOME announces.
inline constexpr uint64_t heartbeat_ms = 5000;
inline constexpr uint64_t max_message_bytes = 1 * mebibyte;
inline constexpr uint64_t max_batch_bytes = 4 * mebibyte;
inline constexpr uint64_t send_window_messages = 16384;
inline constexpr uint64_t send_window_bytes = 16 * mebibyte;
inline constexpr uint64_t max_prefetch = 65536;
inline constexpr uint64_t default_prefetch = 1000;

// Defaults of the broker's own bounds and timings.
inline constexpr uint64_t max_registrations = 20'000;
inline constexpr uint64_t max_registrations_a_second = 2000;  // of a key; without keys, of all together
inline constexpr uint64_t max_sessions = 40'000;
inline constexpr uint64_t routing_memory_bytes = 256 * mebibyte;
inline constexpr uint64_t max_unsettled_bytes = 16 * mebibyte;
inline constexpr uint64_t session_ttl_s = 300;
inline constexpr uint64_t drain_ms = 30'000;
inline constexpr uint64_t removed_endpoint_ms = 60'000;
inline constexpr uint64_t max_log_lines_a_second = 1000;  // about messages; faults have one line a code and second
inline constexpr uint64_t expire_routing_memory_s = 604'800;

// Defaults of an endpoint.
inline constexpr uint64_t queue_bytes = 256 * mebibyte;
inline constexpr uint64_t queue_messages = 1'000'000;
inline constexpr uint64_t block_ms = 30'000;
inline constexpr uint32_t max_deliveries = 5;
inline constexpr uint64_t redeliver_ms = 1000;
inline constexpr uint64_t redeliver_ms_max = 60'000;

// Inside the core.
inline constexpr uint32_t lanes_max = 64;  // a lane's place is a bit of 64
inline constexpr uint32_t processors_max = 1024;
inline constexpr size_t endpoints_max = 65'534;  // the routing memory keeps an endpoint in 16 bits, one value is taken
inline constexpr size_t targets_max = 256;       // copies of one message
inline constexpr size_t chained_dispatchers_max = 64;  // that a message may go through one behind the other
inline constexpr size_t segment_bytes_min = 1 * kibibyte;
inline constexpr size_t segment_bytes_max = 256 * kibibyte;
inline constexpr uint64_t not_registered_interval_ms = 1000;  // between two ERROR not_registered to one connection
inline constexpr uint64_t probe_interval_ms = 1000;           // between two PINGs caused by newcomers
inline constexpr size_t removed_a_tick_messages = 10'000;     // of a removed endpoint, that become dead letters at once
inline constexpr size_t strangers_max = 65'536;               // connections remembered for that interval

static_assert(max_prefetch * 9 + 64 <= header_bytes_max, "an ACK may name max_prefetch numbers of up to 9 bytes each");
static_assert(max_message_bytes <= max_batch_bytes, "a batch takes any one message");
static_assert(segment_bytes_min <= segment_bytes_max);

}  // namespace signalbox::limits
