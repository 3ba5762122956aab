// An endpoint's name as the MessagePack str that a rewrite of transport_name puts in place: encoded once, when the
// router is made.
//
// Thread: any, constant once made. Owns: the bytes. Tested through the routers that rewrite.
#pragma once

#include <string>
#include <vector>

#include "routers/router.hpp"

namespace signalbox {

inline std::string encoded_name(const RouterSetup& setup, EndpointId endpoint) {
  std::string encoded;
  append_text(encoded, setup.name_of(endpoint));
  return encoded;
}

// Those of all a dispatcher's endpoints of one role, by EndpointId; empty for the others.
inline std::vector<std::string> encoded_names(const RouterSetup& setup, Role role) {
  std::vector<std::string> encoded;
  for (const std::string& name : role == Role::transport ? setup.transports() : setup.applications()) {
    const EndpointId endpoint = role == Role::transport ? *setup.transport(name) : *setup.application(name);
    if (encoded.size() <= endpoint) encoded.resize(endpoint + 1);
    encoded[endpoint] = encoded_name(setup, endpoint);
  }
  return encoded;
}

}  // namespace signalbox
