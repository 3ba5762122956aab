#include "protocol/codes.hpp"

namespace signalbox {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::none:
      return "";
    case ErrorCode::version:
      return "version";
    case ErrorCode::malformed:
      return "malformed";
    case ErrorCode::unknown_endpoint:
      return "unknown_endpoint";
    case ErrorCode::not_permitted:
      return "not_permitted";
    case ErrorCode::not_registered:
      return "not_registered";
    case ErrorCode::taken_over:
      return "taken_over";
    case ErrorCode::gap:
      return "gap";
    case ErrorCode::window:
      return "window";
    case ErrorCode::too_large:
      return "too_large";
    case ErrorCode::too_many:
      return "too_many";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

std::string_view to_string(RefusalCode code) {
  switch (code) {
    case RefusalCode::malformed:
      return "malformed";
    case RefusalCode::too_large:
      return "too_large";
    case RefusalCode::no_route:
      return "no_route";
    case RefusalCode::unknown_endpoint:
      return "unknown_endpoint";
    case RefusalCode::not_permitted:
      return "not_permitted";
    case RefusalCode::queue_full:
      return "queue_full";
    case RefusalCode::internal:
      return "internal";
  }
  return "internal";
}

std::string_view to_string(Role role) {
  return role == Role::transport ? "transport" : "application";
}

}  // namespace signalbox
