#include "broker/configuration_middleware.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "broker/configuration_values.hpp"
#include "protocol/text.hpp"

namespace signalbox {

namespace {

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// What a piece may ask for while it is made.
class Options final : public MiddlewareSetup {
 public:
  // `options` may be null: there is no table of that name.
  Options(std::string_view name, const MiddlewareClass& made_of, const Setting* options, std::string_view dispatcher,
          Position dispatcher_place, uint64_t max_users, StateStore& state, FaultList& faults)
      : name_(name),
        made_of_(made_of),
        options_(options),
        dispatcher_(dispatcher),
        dispatcher_place_(dispatcher_place),
        max_users_(max_users),
        state_(state),
        faults_(faults) {}

  const Setting* find(std::string_view key) override {
    asked_.emplace(key);
    return options_ == nullptr ? nullptr : options_->find(key);
  }
  const Setting* require(std::string_view key) override {
    const Setting* setting = find(key);
    if (setting != nullptr) return setting;
    if (options_ != nullptr) {
      faults_.fault(place(), std::string(key) + " is missing in " + described());
    } else if (!said_missing_) {
      said_missing_ = true;
      faults_.fault(place(), "the table " + printable(name_) + " is missing: it holds the options of " + made_of_.name +
                                 ", such as " + std::string(key));
    }
    return nullptr;
  }
  Position place() const override { return options_ != nullptr ? options_->position : dispatcher_place_; }
  void fault(Position where, std::string text) override { faults_.fault(where, std::move(text)); }
  void unknown_name(Position where, std::string text, std::string_view name,
                    const std::vector<std::string>& known) override {
    faults_.unknown_name(where, std::move(text), name, known);
  }
  void warn(Position where, std::string text) override { faults_.warn(where, std::move(text)); }

  std::string_view name() const override { return name_; }
  std::string_view dispatcher_name() const override { return dispatcher_; }
  uint64_t max_users() const override { return max_users_; }
  StateStore& state() override { return state_; }

  void report_stray_keys() {
    if (options_ == nullptr) return;
    for (const Setting& item : options_->items) {
      if (asked_.contains(item.key) || contains(made_of_.options, item.key)) continue;
      if (contains(made_of_.vumi_options, item.key)) {
        faults_.warn(item.key_position, item.key + " means something to vumi alone and is not read here");
      } else {
        faults_.unknown_name(item.key_position, "unknown key " + in_quotes(item.key) + " in " + described(), item.key,
                             made_of_.options);
      }
    }
  }

 private:
  std::string described() const { return printable(name_) + " (" + made_of_.name + ")"; }

  const std::string_view name_;
  const MiddlewareClass& made_of_;
  const Setting* const options_;
  const std::string_view dispatcher_;
  const Position dispatcher_place_;
  const uint64_t max_users_;
  StateStore& state_;
  FaultList& faults_;
  bool said_missing_ = false;
  std::set<std::string, std::less<>> asked_;
};

std::vector<size_t> sorted(std::vector<size_t> places, const std::vector<int64_t>& priorities) {
  std::ranges::stable_sort(places, {}, [&](size_t place) { return priorities[place]; });
  return places;
}

}  // namespace

std::vector<size_t> entering_order(const std::vector<int64_t>& consume_priorities) {
  std::vector<size_t> places(consume_priorities.size());
  std::iota(places.begin(), places.end(), size_t{0});
  return sorted(std::move(places), consume_priorities);
}

std::vector<size_t> leaving_order(const std::vector<int64_t>& publish_priorities) {
  std::vector<size_t> places(publish_priorities.size());
  std::iota(places.rbegin(), places.rend(), size_t{0});
  return sorted(std::move(places), publish_priorities);
}

// --- the list --------------------------------------------------------------------------------------------------------

void MiddlewareReader::read_list(const Setting& list, const std::vector<std::string>& taken) {
  if (!check_type(list, Setting::Type::array, "an array", faults_)) return;
  for (const Setting& item : list.items) read_item(item, taken);
}

void MiddlewareReader::read_item(const Setting& item, const std::vector<std::string>& taken) {
  if (!check_type(item, Setting::Type::table, "a table with one key, the name of a piece: {name = \"Class\"}", faults_))
    return;
  if (item.items.size() != 1) {
    faults_.fault(item.position,
                  "a piece of middleware is a table with one key, its name: {name = \"Class\"}; this one has " +
                      (item.items.empty() ? "none" : std::to_string(item.items.size())));
  }
  for (const Setting& entry : item.items) {
    const bool is_new = check_piece_name(entry, taken);
    if (is_new) names_.push_back(entry.key);
    Listed listed{.name = entry.key};
    if (entry.type == Setting::Type::text) {
      read_class(entry, listed);
    } else if (check_type(entry, Setting::Type::table, "a class, or a table with the key class", faults_)) {
      read_table(entry, listed);
    }
    if (is_new && listed.made_of != nullptr) listed_.push_back(std::move(listed));
  }
}

bool MiddlewareReader::check_piece_name(const Setting& entry, const std::vector<std::string>& taken) {
  if (entry.key.empty()) {
    faults_.fault(entry.key_position, "a name must not be empty");
  } else if (contains(names_, entry.key)) {
    faults_.fault(entry.key_position, in_quotes(entry.key) + " is listed twice");
  } else if (contains(taken, entry.key)) {
    faults_.fault(entry.key_position,
                  entry.key + " is a key of the dispatcher: a piece of middleware needs a name of its own");
  } else {
    return true;
  }
  return false;
}

void MiddlewareReader::read_class(const Setting& setting, Listed& listed) {
  listed.made_of = registry_.find(setting.text);
  if (listed.made_of != nullptr) return;
  std::vector<std::string> names;
  for (const MiddlewareClass& known : registry_.all()) names.push_back(known.name);
  faults_.unknown_name(setting.position,
                       "there is no middleware " + in_quotes(setting.text) + "; there are " + one_of(names),
                       setting.text.substr(setting.text.rfind('.') + 1), names);
}

void MiddlewareReader::read_table(const Setting& table, Listed& listed) {
  const Setting* made_of = table.find("class");
  if (made_of == nullptr) {
    faults_.fault(table.position, "class is missing");
  } else if (check_type(*made_of, Setting::Type::text, "the name of a class", faults_)) {
    read_class(*made_of, listed);
  }
  for (const auto& [key, priority] : {std::pair("consume_priority", &listed.consume_priority),
                                      std::pair("publish_priority", &listed.publish_priority)}) {
    const Setting* setting = table.find(key);
    if (setting != nullptr && check_type(*setting, Setting::Type::integer, "an integer", faults_)) {
      *priority = setting->integer;
    }
  }
  report_unknown_keys(table, "an item of middleware", {"class", "consume_priority", "publish_priority"}, faults_);
}

// --- the pieces ------------------------------------------------------------------------------------------------------

void MiddlewareReader::make(DispatcherSettings& dispatcher, Position place, uint64_t max_users, StateStore& state) {
  std::vector<int64_t> consume_priorities;
  std::vector<int64_t> publish_priorities;
  for (const Listed& listed : listed_) {
    const Setting* table = dispatcher_.find(listed.name);
    if (table != nullptr && !check_type(*table, Setting::Type::table, "a table of options", faults_)) continue;
    Options options(listed.name, *listed.made_of, table, dispatcher.name, place, max_users, state, faults_);
    auto piece = listed.made_of->make(options);
    options.report_stray_keys();
    if (piece == nullptr) continue;
    dispatcher.middleware.push_back({listed.name, std::move(piece)});
    consume_priorities.push_back(listed.consume_priority);
    publish_priorities.push_back(listed.publish_priority);
  }
  dispatcher.entering = entering_order(consume_priorities);
  dispatcher.leaving = leaving_order(publish_priorities);
}

}  // namespace signalbox
