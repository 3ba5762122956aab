#include "tests/torture/configuration.hpp"

#include <zmq.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "tests/torture/plan.hpp"

namespace signalbox::torture {
namespace {

std::string names(Role role, bool has_guest) {
  std::set<std::string_view> all;
  for (const Slot& slot : slots) {
    if (slot.role != role || slot.habit == Habit::reading) continue;
    if (slot.may_be_turned_away && !has_guest) continue;
    all.insert(slot.endpoint);
  }
  std::string text;
  for (const std::string_view name : all) text += (text.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  return "[" + text + "]\n";
}

}  // namespace

KeyPair make_key_pair() {
  std::array<char, 41> public_key{};
  std::array<char, 41> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) throw std::runtime_error("ZeroMQ has no CURVE");
  return {public_key.data(), secret_key.data()};
}

std::string Configuration::text() const {
  std::ostringstream out;
  out << "router_class = \"SimpleDispatchRouter\"\n"
      << "transport_names = " << names(Role::transport, has_guest)
      << "exposed_names = " << names(Role::application, has_guest) << "\n[routing_mappings]\n";
  for (const FlowPlan& flow : flows) {
    if (flow.rate == 0 || !flow.by_rule || (flow.to[0] == "guest" && !has_guest)) continue;
    out << flow.from << " = [\"" << flow.to[0] << "\""
        << (flow.to[1].empty() ? "" : ", \"" + std::string(flow.to[1]) + "\"") << "]\n";
  }
  out << "\n[broker]\nendpoint = \"tcp://127.0.0.1:" << port << "\"\n"
      << "heartbeat_ms = 500\nsend_window = 2000\nrouting_memory_bytes = 16777216\nremoved_endpoint_ms = 1000\n"
      << "max_message_bytes = " << message_bytes_base + broker << "\ndrain_ms = " << drain_ms << "\n";
  if (!keys.empty()) out << "secret_key = '" << keys.at("broker").secret_key << "'\n";
  out << "\n[endpoint_defaults]\nredeliver_ms = 50\nblock_ms = 2000\n"
      << "\n[endpoints.bucket]\noverflow = \"refuse\"\nmax_messages = " << bucket_messages << "\n"
      << "\n[endpoints.basin]\noverflow = \"drop_oldest\"\nmax_messages = " << basin_messages << "\n"
      << "\n[endpoints.monitor]\nmax_messages = " << monitor_messages << "\n"
      << "\n[endpoints.news]\nmessage_ttl_ms = " << brief_ttl_ms << "\n"
      << "\n[endpoints.offers]\nexpired = \"dead_letter\"\nmessage_ttl_ms = " << dated_ttl_ms << "\n"
      << "\n[endpoints.clerks]\nack_timeout_ms = " << ack_timeout_ms << "\n";
  std::set<std::string_view> listed;
  for (const Slot& slot : slots) {
    const bool is_guest = slot.may_be_turned_away;
    if (keys.empty() || (is_guest && !(has_guest && guest_has_key)) || !listed.insert(slot.endpoint).second) continue;
    out << "\n[[peer]]\nname = \"" << slot.endpoint << "\"\npublic_key = '"
        << keys.at(std::string(slot.endpoint)).public_key << "'\nmay_be = [\"" << to_string(slot.role) << ":"
        << slot.endpoint << "\"]\n";
  }
  return out.str();
}

void write_file(const std::string& path, const std::string& text) {
  const std::string draft = path + ".draft";
  std::ofstream stream(draft);
  stream << text;
  stream.close();
  if (!stream) throw std::runtime_error("could not write " + draft);
  std::filesystem::permissions(draft, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::rename(draft, path);
}

}  // namespace signalbox::torture
