#include "broker/program/explain_json.hpp"

#include <nlohmann/json.hpp>

#include "broker/program/json_message.hpp"

namespace signalbox {
namespace {

using Json = nlohmann::ordered_json;
using Outcome = Routing::Verdict::Outcome;

const char* word_for(Direction direction) {
  switch (direction) {
    case Direction::inbound:
      return "inbound";
    case Direction::event:
      return "event";
    case Direction::outbound:
      return "outbound";
  }
  return "";
}

const char* word_for(Outcome outcome) {
  switch (outcome) {
    case Outcome::taken:
      return "taken";
    case Outcome::discarded:
      return "discarded";
    case Outcome::refused:
      return "refused";
  }
  return "";
}

Json json_of(Bytes encoded) {
  std::string text;
  if (const std::string fault = append_json(text, encoded); !fault.empty()) return nullptr;
  return Json::parse(text);
}

Json json_of(const Explanation::Refusal& refusal) {
  Json out = Json::object();
  out["code"] = to_string(refusal.code);
  out["text"] = refusal.text;
  return out;
}

Json json_of(const std::vector<Explanation::Change>& changes) {
  Json out = Json::array();
  for (const Explanation::Change& change : changes) {
    Json one = Json::object();
    one["path"] = change.path;
    if (!change.is_made) one["made"] = false;
    if (change.is_made && !change.before.empty()) one["before"] = json_of(change.before);
    if (change.is_made && !change.after.empty()) one["after"] = json_of(change.after);
    out.push_back(std::move(one));
  }
  return out;
}

Json json_of(const std::vector<Explanation::Piece>& pieces) {
  Json out = Json::array();
  for (const Explanation::Piece& piece : pieces) {
    Json one = Json::object();
    one["name"] = piece.name;
    one["changes"] = json_of(piece.changes);
    if (!piece.log.empty()) one["log"] = piece.log;
    out.push_back(std::move(one));
  }
  return out;
}

Json json_of(const Explanation::Passage& passage);

Json json_of(const Explanation::Target& target) {
  Json out = Json::object();
  out["name"] = target.name;
  out["joint"] = target.is_joint;
  out["changes"] = json_of(target.changes);
  out["middleware"] = json_of(target.middleware);
  if (target.refusal) out["refused"] = json_of(*target.refusal);
  if (!target.copy.empty()) out["message"] = json_of(Bytes(target.copy));
  if (target.behind != nullptr) out["dispatcher"] = json_of(*target.behind);
  return out;
}

Json json_of(const Explanation::Passage& passage) {
  Json out = Json::object();
  out["name"] = passage.dispatcher;
  out["router"] = passage.router_class;
  out["direction"] = word_for(passage.direction);
  out["sender"] = passage.sender;
  out["filled_in"] = json_of(passage.filled_in);
  out["middleware"] = json_of(passage.middleware);
  if (passage.remembered.empty()) {
    out["remembered"] = nullptr;
  } else {
    out["remembered"] = passage.remembered;
  }
  if (passage.is_ambiguous) out["ambiguous"] = true;
  out["notes"] = passage.notes;
  if (passage.discard) out["discarded"] = *passage.discard;
  if (passage.refusal) out["refused"] = json_of(*passage.refusal);
  Json targets = Json::array();
  for (const Explanation::Target& target : passage.targets) targets.push_back(json_of(target));
  out["targets"] = std::move(targets);
  return out;
}

}  // namespace

std::string to_json(const Explanation& explanation) {
  Json out = Json::object();
  out["from"] = explanation.from;
  out["outcome"] = word_for(explanation.outcome);
  if (explanation.outcome == Outcome::refused) out["refused"] = json_of(explanation.refusal);
  out["taken_by"] = explanation.taken_by;
  Json left_out = Json::array();
  for (const Explanation::LeftOut& one : explanation.left_out) {
    Json json = Json::object();
    json["endpoint"] = one.endpoint;
    json["code"] = to_string(one.code);
    json["dead_letters"] = one.dead_letters;
    left_out.push_back(std::move(json));
  }
  out["left_out"] = std::move(left_out);
  if (explanation.first != nullptr) out["dispatcher"] = json_of(*explanation.first);
  std::string line;
  // What is no UTF-8 in a router's words is replaced: JSON has no place for it.
  append_escaped(line, out.dump(-1, ' ', false, Json::error_handler_t::replace));
  return line + '\n';
}

}  // namespace signalbox
