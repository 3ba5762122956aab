#include "broker/explain.hpp"

#include <algorithm>
#include <deque>

#include "broker/core/assert.hpp"
#include "broker/core/entrance.hpp"
#include "broker/core/routing_memory.hpp"
#include "broker/random.hpp"
#include "protocol/limits.hpp"
#include "protocol/value.hpp"

namespace signalbox {
namespace {

using Path = std::array<std::string_view, Edit::path_keys_max>;
using Change = Explanation::Change;
using Passage = Explanation::Passage;
using Piece = Explanation::Piece;
using Target = Explanation::Target;

// --- changes

size_t depth_of(const Path& path) {
  return static_cast<size_t>(std::ranges::find(path, std::string_view()) - path.begin());
}

Change change_at(const Path& path, Bytes before, Bytes after) {
  Change change;
  for (size_t i = 0; i < depth_of(path); ++i) change.path.emplace_back(path[i]);
  change.before = find_value(before, path);
  change.after = find_value(after, path);
  return change;
}

// A merge is shown entry by entry, as deep as a path goes.
void append_merged(std::vector<Change>& out, const Path& path, Bytes merged, Bytes before, Bytes after) {
  const char* const end = merged.data() + merged.size();
  const value::Head head = value::read_head(merged.data(), end);
  const size_t depth = depth_of(path);
  if (depth > 0 && (head.type != value::Type::map || head.count == 0 || depth == path.size())) {
    out.push_back(change_at(path, before, after));
    return;
  }
  const char* at = head.payload;
  for (uint32_t i = 0; head.type == value::Type::map && at != nullptr && i < head.count; ++i) {
    const value::Head key = value::read_head(at, end);
    const char* const entry = value::skip(at, end);
    const char* const behind = entry == nullptr ? nullptr : value::skip(entry, end);
    if (behind == nullptr) return;
    if (key.type == value::Type::text && key.count > 0) {
      Path below = path;
      below[depth] = {key.payload, key.count};
      append_merged(out, below, {entry, static_cast<size_t>(behind - entry)}, before, after);
    }
    at = behind;
  }
}

void append_changes(std::vector<Change>& out, const Edit& edit, Bytes before, Bytes after) {
  if (edit.operation == Edit::Operation::merge) return append_merged(out, edit.path, edit.value, before, after);
  out.push_back(change_at(edit.path, before, after));
}

std::string_view to_string(MessageLog::Level level) {
  switch (level) {
    case MessageLog::Level::debug:
      return "debug";
    case MessageLog::Level::info:
      return "info";
    case MessageLog::Level::warning:
      return "warning";
    case MessageLog::Level::error:
      return "error";
    case MessageLog::Level::critical:
      return "critical";
  }
  return "";
}

// --- the listener

// Hears what Routing does, and builds the tree. Thread: one. Owns: nothing but its place in the tree.
class Listener final : public Routing::Trace, public Routing::Sink, public Trail, public MessageLog {
 public:
  Listener(const Settings& settings, Explanation& explanation) : settings_(settings), explanation_(explanation) {}

  // Routing::Trace
  void enters(const DispatcherSettings& dispatcher, EndpointId sender, Direction direction, Bytes) override {
    auto passage = std::make_unique<Passage>();
    passage->dispatcher = dispatcher.name;
    passage->router_class = dispatcher.router_class;
    passage->sender = name(sender);
    passage->direction = direction;
    Passage* const entered = passage.get();
    (open_.empty() ? explanation_.first : target().behind) = std::move(passage);
    open_.push_back({entered});
  }
  void changed(std::string_view, std::optional<EndpointId> target, const Edit& edit, Bytes before,
               Bytes after) override {
    append_changes(changes_for(target), edit, before, after);
  }
  void unchanged(std::string_view, std::optional<EndpointId> target, const Edit& edit) override {
    Change change = change_at(edit.path, {}, {});
    change.after = edit.value;
    change.is_made = false;
    changes_for(target).push_back(std::move(change));
  }
  void runs(std::string_view middleware, std::optional<EndpointId> target) override {
    std::vector<Piece>& pieces = target ? target_for(*target).middleware : passage().middleware;
    pieces.push_back({std::string(middleware), {}, {}});
    open_.back().piece = &pieces.back();
  }
  void followed(const Followed& what) override {
    open_.back().piece = nullptr;
    passage().remembered = name(what.source);
  }
  void ambiguous() override {
    open_.back().piece = nullptr;
    passage().is_ambiguous = true;
  }
  void decided(const Decision& decision) override {
    open_.back().piece = nullptr;
    if (decision.verdict() == Decision::Verdict::discard) passage().discard = decision.reason();
    open_.back().names_targets = decision.verdict() == Decision::Verdict::deliver && !decision.overflowed();
  }
  void leaves(EndpointId target, Bytes copy) override {
    Target& reached = target_for(target);
    open_.back().piece = nullptr;
    if (!reached.is_joint) reached.copy = copy;
  }
  void refused(EndpointId endpoint, RefusalCode code, std::string_view text) override {
    const Explanation::Refusal refusal{code, std::string(text)};
    if (open_.back().names_targets) {
      target_for(endpoint).refusal = refusal;
      close_target();
    } else {
      passage().refusal = refusal;
    }
  }
  void comes_back() override {
    open_.pop_back();
    close_target();
  }
  Trail* trail() override { return this; }

  // Routing::Sink
  bool offer(EndpointId target, MessageKind, Bytes) override {
    explanation_.taken_by.push_back(name(target));
    close_target();
    return true;
  }
  void left_out(EndpointId endpoint, MessageKind, Bytes, RefusalCode code) override {
    const DispatcherSettings& dispatcher = settings_.dispatchers[settings_.endpoints[endpoint].dispatcher];
    explanation_.left_out.push_back({name(endpoint), code, name(dispatcher.dead_letters)});
  }

  // Trail
  void note(std::string_view text) override { passage().notes.emplace_back(text); }

  // MessageLog
  void message(Level level, const std::vector<Item>& items) override {
    if (open_.empty() || open_.back().piece == nullptr) return;
    std::string line(to_string(level));
    for (const Item& item : items) line.append(" ").append(item.key).append("=").append(item.value);
    open_.back().piece->log.push_back(std::move(line));
  }

 private:
  // A dispatcher that the message is in: the last one is where things happen.
  struct Open {
    Passage* passage = nullptr;
    Piece* piece = nullptr;      // that looks at the message now
    bool names_targets = false;  // and what happens, happens to them
    bool has_target = false;     // the last of the passage's is still under way
  };

  const std::string& name(EndpointId endpoint) const { return settings_.endpoints[endpoint].name; }
  Passage& passage() { return *open_.back().passage; }
  Target& target() { return passage().targets.back(); }

  // The target under way, or a new one.
  Target& target_for(EndpointId endpoint) {
    if (!open_.back().has_target) {
      Target target;
      target.name = name(endpoint);
      target.is_joint = settings_.endpoints[endpoint].joint.has_value();
      passage().targets.push_back(std::move(target));
      open_.back().has_target = true;
    }
    return target();
  }
  void close_target() {
    open_.back().has_target = false;
    open_.back().piece = nullptr;
  }

  std::vector<Change>& changes_for(std::optional<EndpointId> endpoint) {
    if (open_.back().piece != nullptr) return open_.back().piece->changes;
    return endpoint ? target_for(*endpoint).changes : passage().filled_in;
  }

  const Settings& settings_;
  Explanation& explanation_;
  std::vector<Open> open_;
};

class Living final : public Surroundings {
 public:
  Living(const Settings& settings, const std::optional<std::vector<EndpointId>>& alive)
      : settings_(settings), alive_(alive) {}
  bool has_live_worker(EndpointId endpoint) const override {
    return !alive_ || settings_.endpoints[endpoint].joint || std::ranges::find(*alive_, endpoint) != alive_->end();
  }

 private:
  const Settings& settings_;
  const std::optional<std::vector<EndpointId>>& alive_;
};

// --- what is remembered

// The message came into the broker at `one.sender`, and may have gone on by every joint on its way. Each dispatcher
// remembers the endpoint by which it came there; where it may have come by several joints, the first that is found.
void remember(const Settings& settings, RoutingMemory& memory, const ExplainInput::Remembered& one, uint32_t now_s) {
  const Role role = settings.endpoints[one.sender].role;
  const Role way_out = role == Role::transport ? Role::application : Role::transport;
  const auto direction =
      role == Role::transport ? RoutingMemory::Direction::inbound : RoutingMemory::Direction::outbound;
  std::vector<bool> done(settings.dispatchers.size(), false);
  std::deque<EndpointId> arrivals = {one.sender};
  for (; !arrivals.empty(); arrivals.pop_front()) {
    const EndpointId arrival = arrivals.front();
    const uint32_t dispatcher = settings.endpoints[arrival].dispatcher;
    if (done[dispatcher]) continue;
    done[dispatcher] = true;
    if (settings.dispatchers[dispatcher].reply_tracking) {
      // Expiry is no question here.
      (void)memory.remember(memory.key(dispatcher, direction, one.id), {arrival, 0}, one.sender, now_s, 0);
    }
    for (const EndpointSettings& endpoint : settings.endpoints) {
      if (endpoint.dispatcher == dispatcher && endpoint.role == way_out && endpoint.joint)
        arrivals.push_back(*endpoint.joint);
    }
  }
}

uint64_t memory_bytes_for(const Settings& settings, const ExplainInput& input) {
  constexpr uint64_t entry_bytes = 64;  // four times what one takes, so that none is pushed out
  return std::max(limits::mebibyte, entry_bytes * input.remembered.size() * settings.dispatchers.size());
}

}  // namespace

Explanation explain(Settings& settings, const ExplainInput& input) {
  const EndpointSettings& sender = settings.endpoints[input.from];
  SIGNALBOX_ASSERT(!sender.joint, "a message comes in by a joint");
  Explanation explanation;
  explanation.from = sender.name;

  MessageView message;
  const Scan scan = message.scan(input.message);
  SIGNALBOX_ASSERT(scan != Scan::broken, "what is explained is no map");
  if (const auto refused = refused_at_entrance(sender, scan, message, settings.max_message_bytes)) {
    explanation.refusal = {refused->code, std::string(refused->text)};
    return explanation;
  }

  std::array<char, 192> secret{};
  fill_random(secret.data(), secret.size());
  RoutingMemory memory(memory_bytes_for(settings, input), secret);
  for (const ExplainInput::Remembered& one : input.remembered) {
    remember(settings, memory, one, static_cast<uint32_t>(input.now.monotonic_ms / 1000) + 1);
  }

  Listener listener(settings, explanation);
  const Living living(settings, input.alive);
  MessageLog* const log = std::exchange(settings.message_log, &listener);
  Routing routing(settings, living, memory, listener, &listener);
  const Routing::Verdict verdict = routing.route(input.from, message, nullptr, input.now);
  settings.message_log = log;
  explanation.outcome = verdict.outcome;
  if (verdict.outcome == Routing::Verdict::Outcome::refused)
    explanation.refusal = {verdict.code, std::string(verdict.text)};
  return explanation;
}

}  // namespace signalbox
