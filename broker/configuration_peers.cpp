#include "broker/configuration_peers.hpp"

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "broker/authentication.hpp"
#include "broker/configuration_values.hpp"
#include "broker/link.hpp"
#include "protocol/codes.hpp"
#include "protocol/keys.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

constexpr uint64_t registrations_most = 1'000'000;  // as of all together
constexpr uint64_t sessions_most = 1'000'000;
constexpr std::string_view what_a_key_is = "40 characters, as `signalbox keygen` writes them";

const std::vector<std::string>& peer_keys() {
  static const std::vector<std::string> keys = {"name", "public_key", "may_be", "max_registrations", "max_sessions"};
  return keys;
}

void read_key_of_file(const Setting& setting, const std::string& folder, Configuration& configuration,
                      FaultList& faults) {
  if (!check_type(setting, Setting::Type::text, "the path of a file", faults)) return;
  const std::string path = (std::filesystem::path(folder) / setting.text).string();
  KeyFile file = read_key_file(path, true);
  if (!file.fault.empty()) {
    faults.fault(setting.position, "the key file " + in_quotes(path) + " " + file.fault);
    return;
  }
  std::string key = key_from_text(file.text).value();
  configuration.secret_key = SecretKey(key);
  wipe(key);
  wipe(file.text);
}

void read_key_in_place(const Setting& setting, Configuration& configuration, FaultList& faults) {
  if (!check_type(setting, Setting::Type::text, what_a_key_is, faults)) return;
  std::optional<std::string> key = key_from_text(setting.text);
  if (!key) {
    faults.fault(setting.position, "secret_key must be " + std::string(what_a_key_is));
    return;
  }
  configuration.secret_key = SecretKey(*key);
  wipe(*key);
}

// Empty where the file has no sound key, or this libzmq no CURVE: the broker's start says so.
std::string own_public_key(const Configuration& configuration) {
  if (!configuration.secret_key) return {};
  try {
    return public_key_of(configuration.secret_key);
  } catch (const LinkError&) {
    return {};
  }
}

// What may_be can name: the endpoints that workers register under, by role.
class Names {
 public:
  explicit Names(const Settings& settings) {
    for (const EndpointSettings& endpoint : settings.endpoints) {
      if (endpoint.joint || !roles_.try_emplace(endpoint.name, endpoint.role).second) continue;
      (endpoint.role == Role::transport ? transports_ : applications_).push_back(endpoint.name);
    }
  }

  // "transport:NAME" or "application:NAME"; nothing, with a fault, where it is neither, or there is no such name.
  std::optional<PeerRight> read(const Setting& item, FaultList& faults) const {
    if (!check_type(item, Setting::Type::text, "a string such as \"application:my_application\"", faults)) return {};
    const size_t colon = item.text.find(':');
    const std::string word = item.text.substr(0, colon);
    const std::vector<std::string> words = {"transport", "application"};
    if (colon == std::string::npos || std::ranges::find(words, word) == words.end()) {
      const std::string text = in_quotes(item.text) + " must begin with \"transport:\" or \"application:\"";
      if (colon == std::string::npos) {
        faults.fault(item.position, text);
      } else {
        faults.unknown_name(item.position, text, word, words);
      }
      return {};
    }
    PeerRight right{word == words[0] ? Role::transport : Role::application, item.text.substr(colon + 1)};
    const auto found = roles_.find(right.name);
    if (found == roles_.end()) {
      faults.unknown_name(item.position, in_quotes(right.name) + " is no " + word + " of this file", right.name,
                          right.role == Role::transport ? transports_ : applications_);
      return {};
    }
    if (found->second != right.role) {
      faults.fault(item.position, in_quotes(right.name) + " is no " + word + " but " +
                                      (right.role == Role::transport ? "an application" : "a transport"));
      return {};
    }
    return right;
  }

 private:
  std::unordered_map<std::string, Role> roles_;
  std::vector<std::string> transports_;
  std::vector<std::string> applications_;
};

void read_rights(const Setting& setting, const Names& names, PeerSettings& peer, FaultList& faults) {
  if (!check_type(setting, Setting::Type::array, "an array of strings such as \"application:my_application\"",
                  faults)) {
    return;
  }
  if (setting.items.empty()) faults.fault(setting.position, "may_be is empty: a peer that may be nothing is no use");
  std::unordered_set<std::string> listed;
  for (const Setting& item : setting.items) {
    std::optional<PeerRight> right = names.read(item, faults);
    if (!right) continue;
    if (!listed.insert(item.text).second) {
      faults.fault(item.position, in_quotes(item.text) + " is listed twice");
    } else {
      peer.may_be.push_back(std::move(*right));
    }
  }
}

// Reads one [[peer]] after the other, and knows those before.
class PeerReader {
 public:
  PeerReader(Configuration& configuration, FaultList& faults)
      : settings_(configuration.settings),
        own_key_(own_public_key(configuration)),
        names_(configuration.settings),
        faults_(faults) {}

  void read(const Setting& table) {
    if (!check_type(table, Setting::Type::table, "a table", faults_)) return;
    report_unknown_keys(table, "[[peer]]", peer_keys(), faults_);
    PeerSettings peer;
    if (const Setting* name = required(table, "name")) read_name(*name, peer);
    if (const Setting* key = required(table, "public_key")) read_key(*key, peer);
    if (const Setting* rights = required(table, "may_be")) read_rights(*rights, names_, peer, faults_);
    if (const Setting* most = table.find("max_registrations")) {
      peer.max_registrations = read_number(*most, 1, registrations_most, faults_).value_or(0);
    }
    if (const Setting* most = table.find("max_sessions")) {
      peer.max_sessions = read_number(*most, 1, sessions_most, faults_).value_or(0);
    }
    settings_.peers.push_back(std::move(peer));
  }

 private:
  const Setting* required(const Setting& table, std::string_view key) {
    const Setting* setting = table.find(key);
    if (setting == nullptr) faults_.fault(table.position, "this peer has no " + std::string(key));
    return setting;
  }

  void read_name(const Setting& setting, PeerSettings& peer) {
    if (!check_type(setting, Setting::Type::text, "a string", faults_)) return;
    if (!check_name(setting.text, setting.position, faults_)) return;
    peer.name = setting.text;
    if (!by_name_.insert(peer.name).second) {
      faults_.fault(setting.position, "there are two peers with the name " + in_quotes(peer.name));
    }
  }

  void read_key(const Setting& setting, PeerSettings& peer) {
    if (!check_type(setting, Setting::Type::text, what_a_key_is, faults_)) return;
    const std::optional<std::string> key = key_from_text(setting.text);
    if (!key) {
      faults_.fault(setting.position, "public_key must be " + std::string(what_a_key_is));
      return;
    }
    peer.key = *key;
    if (peer.key == own_key_) {
      faults_.fault(setting.position, "this is the broker's own key: a peer has a pair of its own");
      return;
    }
    const auto [first, is_new] = by_key_.try_emplace(peer.key, peer.name);
    if (is_new) return;
    faults_.fault(setting.position, "this is the key of " + in_quotes(first->second) +
                                        " too: list in one may_be all that one key may be");
  }

  Settings& settings_;
  const std::string own_key_;
  const Names names_;
  FaultList& faults_;
  std::unordered_set<std::string> by_name_;
  std::unordered_map<std::string, std::string> by_key_;  // the name that it came with first
};

}  // namespace

void read_secret_key(const Setting* section, const std::string& folder, Configuration& configuration,
                     FaultList& faults) {
  if (section == nullptr || section->type != Setting::Type::table) return;
  const Setting* file = section->find("secret_key_file");
  const Setting* in_place = section->find("secret_key");
  configuration.settings.keys_required = file != nullptr || in_place != nullptr;
  if (file != nullptr && in_place != nullptr) {
    faults.fault((in_place < file ? file : in_place)->key_position,  // items stand in the order of the file
                 "secret_key_file and secret_key are one setting; give one of them");
  }
  if (file != nullptr) read_key_of_file(*file, folder, configuration, faults);
  if (in_place != nullptr) read_key_in_place(*in_place, configuration, faults);
}

void read_peers(const Setting& file, Configuration& configuration, FaultList& faults) {
  const Setting* peers = file.find("peer");
  const bool are_listed = peers != nullptr && (peers->type != Setting::Type::array || !peers->items.empty());
  const Setting* broker = file.find("broker");
  if (!configuration.settings.keys_required) {
    if (are_listed) {
      faults.fault(peers->key_position,
                   "peers have keys where the broker has one: give it with secret_key_file in [broker]; `signalbox "
                   "keygen` makes one");
    }
  } else {
    const Setting* insecure = broker->find("insecure");
    if (insecure != nullptr && configuration.insecure) {
      faults.warn(insecure->key_position, "insecure changes nothing here: whoever connects needs a key");
    }
    if (!are_listed) {
      const Setting* secret = broker->find("secret_key_file");
      faults.warn((secret != nullptr ? secret : broker->find("secret_key"))->key_position,
                  "the broker has a key and no [[peer]] is listed: nobody can connect");
    }
  }
  if (!are_listed) return;
  if (peers->type == Setting::Type::table) {
    faults.fault(peers->position, "a peer's table has two brackets: [[peer]]");
    return;
  }
  if (!check_type(*peers, Setting::Type::array, "one or more [[peer]] tables", faults)) return;
  PeerReader reader(configuration, faults);
  for (const Setting& table : peers->items) reader.read(table);
}

}  // namespace signalbox
