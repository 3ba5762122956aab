// Who takes part in a load run, which message goes to whom, and the broker's configuration that makes it so.
//
// Message number i of a transport goes to application i modulo how many there are: every transport writes to every
// application, and both ends know by the number alone what was due where. With several applications the first word of
// the content names the one that is meant, and the broker's ContentKeywordRouter finds it; with one the
// SimpleDispatchRouter takes the transport's mapping.
//
// Thread: any; constant after construction. Errors: none. Bounds: transports_max, applications_max.
// Tested by test_load.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace signalbox::bench {

// Which message of which transport: what every message of a load run carries, in number_digits hexadecimal digits.
struct MessageNumber {
  static constexpr unsigned sequence_bits = 40;

  uint64_t transport = 0;
  uint64_t sequence = 0;  // from 0, through the warm-up and what follows

  uint64_t packed() const { return transport << sequence_bits | sequence; }
  static MessageNumber of(uint64_t packed) {
    return {packed >> sequence_bits, packed & ((uint64_t{1} << sequence_bits) - 1)};
  }
};

struct Topology {
  // Names keep the length of those in bench/messages.hpp, and messages their size.
  static constexpr size_t transports_max = 1000;
  static constexpr size_t applications_max = 100;

  size_t transports = 1;
  size_t applications = 1;

  std::string transport_name_of(size_t index) const;
  std::string application_name_of(size_t index) const;

  size_t application_of(const MessageNumber& number) const { return number.sequence % applications; }
  // How many of a transport's first `count` messages go to the application.
  uint64_t share_of(size_t application, uint64_t count) const {
    return count / applications + (application < count % applications ? 1 : 0);
  }
  // What the content of messages to this application begins with.
  std::string content_start(size_t application) const;
};

struct BrokerSettings {
  uint64_t window = 16384;      // messages that a worker may have unconfirmed
  std::string overflow = {};    // of every application's queue; empty: the broker's default
  uint64_t queue_messages = 0;  // the limit of each; 0: the broker's default
};

// The broker's configuration file.
std::string configuration(const Topology& topology, const BrokerSettings& settings, const std::string& endpoint);

}  // namespace signalbox::bench
