#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner {

// The address that a server listens on or a client connects to: a host and port, or a Unix socket.
struct Address {
  // a name, an IPv4 or an IPv6 address (without brackets); empty for a Unix socket
  std::string host;
  std::uint16_t port = 0;
  std::string unix_path;  // empty for host and port

  // True if only processes of this machine (of this pod) can reach it: localhost, 127.0.0.0/8, ::1,
  // a Unix socket. Host names other than localhost are not resolved; the result for them is false.
  bool IsLocal() const;
};

// Parses `host:port`, `[ipv6]:port`, `unix:/path` and `unix:///path`.
std::optional<Address> ParseAddress(std::string_view text);

// True for a numeric IPv4 or IPv6 address without brackets.
bool IsIpAddress(const std::string& text);

}  // namespace runner
