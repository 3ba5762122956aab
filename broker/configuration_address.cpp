#include "broker/configuration_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>

namespace signalbox {

namespace {

constexpr size_t ipc_path_bytes_max = 107;     // sockaddr_un holds 108 with the zero behind it
constexpr size_t inproc_name_bytes_max = 256;  // what libzmq promises to take

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "*" and 0 let the system choose one.
bool is_port(std::string_view port) {
  if (port == "*") return true;
  if (port.empty() || port.size() > 5 || !std::ranges::all_of(port, is_digit)) return false;
  uint32_t number = 0;
  for (char c : port) number = number * 10 + static_cast<uint32_t>(c - '0');
  return number <= 65535;
}

bool is_interface_name(std::string_view host) {
  return std::ranges::all_of(host, [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.';
  });
}

Address parse_ipv6(std::string_view bracketed, Address address) {
  std::string host(bracketed.substr(1, bracketed.size() - 2));
  host = host.substr(0, host.find('%'));  // a zone
  in6_addr ip{};
  if (inet_pton(AF_INET6, host.c_str(), &ip) != 1) {
    address.fault = "between the brackets must stand an IPv6 address";
  }
  address.reachable = !std::equal(std::begin(ip.s6_addr), std::end(ip.s6_addr), std::begin(in6addr_loopback.s6_addr));
  return address;
}

Address parse_tcp(std::string_view rest) {
  Address address{.text = "tcp://" + std::string(rest), .reachable = true, .fault = {}};
  const size_t colon = rest.rfind(':');
  const std::string_view host = rest.substr(0, colon);
  if (colon == std::string_view::npos || host.empty() || !is_port(rest.substr(colon + 1))) {
    address.fault = "tcp:// needs a host, a colon and a port from 0 to 65535: tcp://127.0.0.1:5570";
  } else if (host == "*") {
    return address;
  } else if (host == "localhost") {
    address.text = "tcp://127.0.0.1" + std::string(rest.substr(colon));
    address.reachable = false;
  } else if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return parse_ipv6(host, std::move(address));
  } else if (std::ranges::all_of(host, [](char c) { return is_digit(c) || c == '.'; })) {
    in_addr ip{};
    if (inet_pton(AF_INET, std::string(host).c_str(), &ip) != 1) address.fault = "this is no IPv4 address";
    address.reachable = (ntohl(ip.s_addr) >> 24) != 127;
  } else if (host.find(':') != std::string_view::npos) {
    address.fault = "an IPv6 address stands in brackets: tcp://[::1]:5570";
  } else if (!is_interface_name(host)) {
    address.fault = "the host must be an address, the name of a network interface, or *";
  }
  return address;
}

}  // namespace

Address parse_address(std::string_view text) {
  const auto after = [&](std::string_view scheme) { return text.substr(scheme.size()); };
  if (text.starts_with("tcp://")) return parse_tcp(after("tcp://"));
  Address address{.text = std::string(text), .reachable = false, .fault = {}};
  if (text.find('\0') != std::string_view::npos) {
    address.fault = "there is a zero byte in it";
  } else if (text.starts_with("ipc://")) {
    const size_t size = after("ipc://").size();
    if (size == 0) address.fault = "ipc:// needs a path: ipc:///run/signalbox";
    if (size > ipc_path_bytes_max) address.fault = "the path has more than 107 bytes, which no local socket takes";
  } else if (text.starts_with("inproc://")) {
    const size_t size = after("inproc://").size();
    if (size == 0 || size > inproc_name_bytes_max) address.fault = "inproc:// needs a name of 1 to 256 bytes";
  } else {
    address.fault = "it must begin with tcp://, ipc:// or inproc://";
  }
  return address;
}

}  // namespace signalbox
