#include "broker/configuration_dispatcher.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "broker/configuration_again.hpp"
#include "broker/configuration_broker.hpp"
#include "broker/configuration_values.hpp"
#include "protocol/limits.hpp"

namespace signalbox {

namespace {

constexpr std::string_view shared_dead_letters = "dead_letters";
constexpr uint64_t expire_routing_memory_s_max = uint64_t{10} * 365 * 24 * 60 * 60;

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

std::string_view list_key(Role role) {
  return role == Role::transport ? "transport_names" : "exposed_names";
}

}  // namespace

DispatcherReader::DispatcherReader(const Setting& table, bool whole_file, uint32_t index,
                                   const RouterRegistry& registry, FaultList& faults)
    : table_(table),
      whole_file_(whole_file),
      index_(index),
      registry_(registry),
      faults_(faults),
      middleware_(table, registry.middleware(), faults),
      name_(whole_file ? "dispatcher" : "dispatcher" + std::to_string(index + 1)),
      expire_routing_memory_s_(limits::expire_routing_memory_s) {
  read_router_class();
  read_common();
}

const std::vector<std::string>& DispatcherReader::common_keys() {
  static const std::vector<std::string> keys = {"router_class", "transport_names",       "exposed_names",
                                                "name",         "reply_tracking",        "relays",
                                                "dead_letters", "expire_routing_memory", "middleware"};
  return keys;
}

const std::vector<std::string>& DispatcherReader::file_keys() {
  static const std::vector<std::string> keys = {"broker", "peer", "endpoint_defaults", "endpoints", "dispatcher"};
  return keys;
}

const std::vector<std::string>& DispatcherReader::vumi_keys() {
  static const std::vector<std::string> keys = {"worker_name",        "dispatcher_name", "amqp_prefetch_count",
                                                "worker_concurrency", "redis_manager",   "message_cache_class"};
  return keys;
}

// --- RouterSetup -----------------------------------------------------------------------------------------------------

const Setting* DispatcherReader::find(std::string_view key) {
  asked_.emplace(key);
  return table_.find(key);
}

const Setting* DispatcherReader::require(std::string_view key) {
  const Setting* setting = find(key);
  if (setting == nullptr) faults_.fault(place(), std::string(key) + " is missing");
  return setting;
}

Position DispatcherReader::place() const {
  if (!whole_file_) return table_.position;
  const Setting* router_class = table_.find("router_class");
  return router_class != nullptr ? router_class->key_position : Position{};
}

void DispatcherReader::fault(Position where, std::string text) {
  faults_.fault(where, std::move(text));
}

void DispatcherReader::unknown_name(Position where, std::string text, std::string_view name,
                                    const std::vector<std::string>& known) {
  faults_.unknown_name(where, std::move(text), name, known);
}

void DispatcherReader::warn(Position where, std::string text) {
  faults_.warn(where, std::move(text));
}

std::optional<EndpointId> DispatcherReader::Names::find(std::string_view name) const {
  const auto found = ids.find(std::string(name));
  return found == ids.end() ? std::nullopt : std::optional(found->second);
}

// --- what every dispatcher has ---------------------------------------------------------------------------------------

void DispatcherReader::read_router_class() {
  const Setting* setting = require("router_class");
  if (setting == nullptr || !check_type(*setting, Setting::Type::text, "a router's name", faults_)) return;
  router_class_ = registry_.find(setting->text);
  if (router_class_ != nullptr) return;
  std::vector<std::string> names;
  for (const RouterClass& known : registry_.all()) names.push_back(known.name);
  const std::string name = setting->text.substr(setting->text.rfind('.') + 1);
  faults_.unknown_name(setting->position,
                       "there is no router " + in_quotes(setting->text) + "; there are " + one_of(names), name, names);
}

void DispatcherReader::read_common() {
  if (const Setting* name = find("name")) {
    if (check_type(*name, Setting::Type::text, "a string", faults_) &&
        check_name(name->text, name->position, faults_)) {
      name_ = name->text;
    }
  }
  if (const Setting* tracking = find("reply_tracking")) {
    reply_tracking_ = read_boolean(*tracking, faults_).value_or(true);
  }
  if (const Setting* middleware = find("middleware")) {
    std::vector<std::string> taken = common_keys();
    if (whole_file_) taken.insert(taken.end(), file_keys().begin(), file_keys().end());
    taken.insert(taken.end(), vumi_keys().begin(), vumi_keys().end());
    if (router_class_ != nullptr) taken.insert(taken.end(), router_class_->keys.begin(), router_class_->keys.end());
    middleware_.read_list(*middleware, taken);
    asked_.insert(middleware_.names().begin(), middleware_.names().end());
  }
  read_expiry();
}

// vumi takes a numeric string here too.
void DispatcherReader::read_expiry() {
  const Setting* setting = find("expire_routing_memory");
  if (setting == nullptr) return;
  Setting number = *setting;
  if (setting->type == Setting::Type::text) {
    const char* end = setting->text.data() + setting->text.size();
    const auto [stop, error] = std::from_chars(setting->text.data(), end, number.integer);
    if (error != std::errc{} || stop != end) {
      faults_.fault(setting->position,
                    "expire_routing_memory must be a number of seconds, not " + in_quotes(setting->text));
      return;
    }
    number.type = Setting::Type::integer;
  }
  expire_routing_memory_s_ =
      read_number(number, 0, expire_routing_memory_s_max, faults_).value_or(expire_routing_memory_s_);
}

Position DispatcherReader::name_position() const {
  const Setting* name = table_.find("name");
  return name != nullptr ? name->position : place();
}

// --- names -----------------------------------------------------------------------------------------------------------

std::vector<ListedName> DispatcherReader::read_names(const Setting* list, std::string_view what) {
  std::vector<ListedName> names;
  if (list == nullptr || !check_type(*list, Setting::Type::array, what, faults_)) return names;
  for (const Setting& item : list->items) {
    if (check_type(item, Setting::Type::text, "a name", faults_)) names.push_back({item.text, item.position});
  }
  return names;
}

// As most routers have it; without a router there is no telling, so nothing is missed.
ListedNames DispatcherReader::list_names() {
  if (router_class_ != nullptr && router_class_->list_names != nullptr) return router_class_->list_names(*this);
  const Setting* transports = router_class_ != nullptr ? require("transport_names") : find("transport_names");
  if (transports != nullptr && transports->type == Setting::Type::array && transports->items.empty()) {
    faults_.fault(transports->position, "transport_names is empty: a dispatcher needs a transport");
  }
  return {.transports = read_names(transports, "an array of transports' names"),
          .applications = read_names(find("exposed_names"), "an array of applications' names")};
}

void DispatcherReader::read_endpoints(Settings& settings, EndpointsByName& endpoints,
                                      std::vector<ListedJoint>& joints) {
  settings_ = &settings;
  const ListedNames listed = list_names();
  add_names(listed.transports, Role::transport, settings, endpoints, joints);
  add_names(listed.applications, Role::application, settings, endpoints, joints);
  read_relays(settings);
}

void DispatcherReader::add_names(const std::vector<ListedName>& listed, Role role, Settings& settings,
                                 EndpointsByName& endpoints, std::vector<ListedJoint>& joints) {
  Names& names = role == Role::transport ? transports_ : applications_;
  for (const ListedName& name : listed) {
    if (name.name == shared_dead_letters) {
      faults_.fault(name.where, "\"dead_letters\" is reserved: every broker has it, and it is not listed");
      continue;
    }
    if (!check_name(name.name, name.where, faults_) && name.name.empty()) continue;
    const auto id = static_cast<EndpointId>(settings.endpoints.size());
    const auto [first, is_new] = endpoints.emplace(name.name, id);
    const bool joins = !is_new && settings.endpoints[first->second].dispatcher != index_ &&
                       settings.endpoints[first->second].role != role && !settings.endpoints[first->second].joint;
    if (!is_new && !joins) {
      report_second_listing(name, role, settings, first->second);
      if (settings.endpoints[first->second].dispatcher == index_) continue;
    }
    if (settings.endpoints.size() == limits::endpoints_max) {
      faults_.fault(name.where, "there are more than " + std::to_string(limits::endpoints_max) + " endpoints");
      return;
    }
    names.names.push_back(name.name);
    names.ids.emplace(name.name, id);
    listed_at_.emplace(id, name.where);
    settings.endpoints.push_back({.name = name.name, .role = role, .dispatcher = index_});
    if (!joins) continue;
    settings.endpoints[id].joint = first->second;
    settings.endpoints[first->second].joint = id;
    joints.push_back({id, name.where});
  }
}

void DispatcherReader::report_second_listing(const ListedName& listed, Role role, const Settings& settings,
                                             EndpointId first) {
  const EndpointSettings& other = settings.endpoints[first];
  if (other.dispatcher != index_) {
    faults_.fault(
        listed.where,
        in_quotes(listed.name) + (other.joint ? " joins two other dispatchers already: a name can join two, no more"
                                  : other.role == Role::transport
                                      ? " is a transport of another dispatcher too: only what one exposes and the "
                                        "other has for a transport joins the two"
                                      : " is an application of another dispatcher too: only what one exposes and the "
                                        "other has for a transport joins the two"));
  } else if (other.role == role) {
    faults_.fault(listed.where, in_quotes(listed.name) + " is listed twice");
  } else {  // transports are read first, wherever their list stands
    const Position where = listed_at_.at(first);
    const bool is_second = std::tie(where.line, where.column) < std::tie(listed.where.line, listed.where.column);
    faults_.fault(is_second ? listed.where : where, in_quotes(listed.name) + " is in " +
                                                        std::string(list_key(is_second ? other.role : role)) +
                                                        " already: a name has one role");
  }
}

void DispatcherReader::read_relays(Settings& settings) {
  const Setting* relays = find("relays");
  for (const ListedName& relay : read_names(relays, "an array of transports' names")) {
    if (auto transport = transports_.find(relay.name)) {
      if (settings.endpoints[*transport].relay) faults_.fault(relay.where, in_quotes(relay.name) + " is listed twice");
      settings.endpoints[*transport].relay = true;
    } else if (relay.name.empty()) {
      faults_.fault(relay.where, "a name must not be empty");
    } else if (applications_.find(relay.name)) {
      faults_.fault(relay.where, in_quotes(relay.name) + " is an application; only transports can be relays");
    } else {
      faults_.unknown_name(relay.where, in_quotes(relay.name) + " is none of this dispatcher's transports", relay.name,
                           transports_.names);
    }
  }
  has_relays_ = relays != nullptr && !relays->items.empty();
}

void DispatcherReader::read_dead_letters(Settings& settings, EndpointsByName& endpoints, EndpointId shared) {
  dead_letters_ = shared;
  const Setting* setting = find("dead_letters");
  if (setting == nullptr || !check_type(*setting, Setting::Type::text, "a name", faults_)) return;
  if (setting->text == shared_dead_letters || !check_name(setting->text, setting->position, faults_)) return;
  const auto id = static_cast<EndpointId>(settings.endpoints.size());
  if (!endpoints.emplace(setting->text, id).second) {
    faults_.fault(setting->position, in_quotes(setting->text) +
                                         " is an endpoint already: dead letters need a name of their own, and it is "
                                         "not listed");
    return;
  }
  dead_letters_ = id;
  settings.endpoints.push_back({.name = setting->text,
                                .role = Role::application,
                                .dispatcher = index_,
                                .dead_letters = true,
                                .overflow = Overflow::drop_oldest});
}

void DispatcherReader::renumber(const Numbers& numbers) {
  for (Names* names : {&transports_, &applications_}) {
    for (auto& [name, id] : names->ids) id = numbers.endpoints[id];
  }
  dead_letters_ = numbers.endpoints[dead_letters_];
}

// --- the router, and the keys that are left over ---------------------------------------------------------------------

DispatcherSettings DispatcherReader::finish(Settings& settings, uint64_t max_users) {
  max_users_ = max_users;
  state_ = settings.state.get();
  DispatcherSettings dispatcher{.name = name_,
                                .router = nullptr,
                                .dead_letters = dead_letters_,
                                .reply_tracking = reply_tracking_,
                                .expire_routing_memory_s = expire_routing_memory_s_};
  if (router_class_ != nullptr) {
    dispatcher.router_class = router_class_->name;
    dispatcher.router = router_class_->make(*this);
    if (dispatcher.router == nullptr && faults_.empty()) {
      faults_.fault(place(), router_class_->name + " makes no router, and does not say why");
    }
  }
  middleware_.make(dispatcher, place(), max_users, *state_);
  if (dispatcher.router != nullptr && !dispatcher.router->uses_transport_name()) {
    for (const auto& [name, transport] : transports_.ids) settings.endpoints[transport].relay = true;
  }
  report_stray_keys();
  return dispatcher;
}

void DispatcherReader::report_stray_keys() {
  for (const Setting& item : table_.items) {
    if (asked_.contains(item.key)) continue;
    // Some routers list their endpoints under keys of their own, and then these two say nothing.
    const bool is_list = item.key == "transport_names" || item.key == "exposed_names";
    if (is_list && router_class_ != nullptr && router_class_->list_names != nullptr) {
      faults_.fault(item.key_position, router_class_->name + " does not read " + item.key +
                                           ": its endpoints are listed under keys of its own");
      continue;
    }
    if (contains(common_keys(), item.key)) continue;
    if (router_class_ != nullptr && contains(router_class_->keys, item.key)) continue;
    if (whole_file_ && contains(file_keys(), item.key)) continue;
    report_stray_key(item);
  }
}

void DispatcherReader::report_stray_key(const Setting& item) {
  if (contains(vumi_keys(), item.key)) {
    faults_.warn(item.key_position, item.key + " means something to vumi alone and is not read here");
    return;
  }
  const std::vector<std::string> readers = registry_.readers_of(item.key);
  if (!readers.empty()) {
    if (router_class_ == nullptr) return;  // that there is no telling whose router this is has been said already
    faults_.fault(item.key_position,
                  item.key + " is a key of " + one_of(readers) + "; " + router_class_->name + " does not read it");
    return;
  }
  std::string text = "unknown key " + in_quotes(item.key);
  if (contains(file_keys(), item.key)) {
    faults_.fault(item.key_position, text + " in a dispatcher: it belongs at the top of the file");
  } else if (contains(broker_keys(), item.key)) {
    faults_.fault(item.key_position, text + ": it belongs in [broker]");
  } else if (contains(endpoint_keys(), item.key)) {
    faults_.fault(item.key_position, text + ": it belongs in [endpoint_defaults] or [endpoints.NAME]");
  } else {
    std::vector<std::string> known = common_keys();
    for (const RouterClass& router_class : registry_.all()) {  // where the router is unknown it may be any of them
      if (router_class_ != nullptr && &router_class != router_class_) continue;
      known.insert(known.end(), router_class.keys.begin(), router_class.keys.end());
    }
    if (whole_file_) known.insert(known.end(), file_keys().begin(), file_keys().end());
    known.insert(known.end(), vumi_keys().begin(), vumi_keys().end());
    known.insert(known.end(), middleware_.names().begin(), middleware_.names().end());
    faults_.unknown_name(item.key_position, std::move(text), item.key, known);
  }
}

}  // namespace signalbox
