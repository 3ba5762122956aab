// What routers and middleware must remember beyond the routing memory: users' groups, addresses of messages, starts of
// sessions. One small interface, so that a durable store or a shared one can stand behind it; today it is memory.
//
// A store holds tables; a table maps a text to a text. Each has a bound, and a time after which an entry is gone. Under
// the bound the entry that was renewed longest ago makes room; where that one was still good, it is counted, so that
// losing state is never silent.
//
// Thread: one, that of the router. Owns: keys and values. Time: as handed in.
// Errors: none; what a store behind the interface cannot read is as absent.
// Bounds: entries_max for a table, and entries_max * state_entry_bytes_max for its bytes.
// Tested by state_store_test.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/codes.hpp"

namespace signalbox {

struct Time;

// A longer text counts for more than one entry.
inline constexpr uint64_t state_entry_bytes_max = 128;

struct StateTableSettings {
  std::string name;             // of the table, the same from run to run
  uint64_t entries_max = 0;     // at least 1
  uint64_t keep_ms = 0;         // after writing, or renewing; 0: until pushed out
  bool reading_renews = false;  // else writing alone does
};

class StateTable {
 public:
  virtual ~StateTable() = default;

  // The value, until the next call; nothing where there is none, or no more.
  virtual std::optional<std::string_view> get(std::string_view key, const Time& now) = 0;
  virtual void put(std::string_view key, std::string_view value, const Time& now) = 0;
  virtual void erase(std::string_view key) = 0;
  virtual uint64_t size() const = 0;
};

class StateStore {
 public:
  virtual ~StateStore() = default;

  // The store must outlive the table.
  virtual std::unique_ptr<StateTable> open(StateTableSettings settings) = 0;
  // Entries still good that had to make room, over all tables.
  virtual uint64_t evicted() const = 0;
  // For a configuration that takes another's place: what `before` keeps goes on in the tables that are open here, each
  // under its name and its new bounds; what no table here stands for is lost, and counted as evicted. To be called
  // before anything is written here; `before` is left empty.
  virtual void take_over(StateStore& before) = 0;
};

// In memory: lost with the process.
std::unique_ptr<StateStore> memory_state_store();

}  // namespace signalbox
