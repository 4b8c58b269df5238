#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner {

// Where a server listens or a client dials: a host and port, or a Unix socket.
struct Address {
  std::string host;  // a name, an IPv4 or an IPv6 address (without brackets); empty for a socket
  std::uint16_t port = 0;
  std::string unix_path;  // empty for host and port

  // Only processes of this machine (of this pod) can reach it: localhost, 127.0.0.0/8, ::1, a Unix
  // socket. A host name other than localhost is not looked up and does not count.
  bool IsLocal() const;
};

// Understands `host:port`, `[ipv6]:port`, `unix:/path` and `unix:///path`.
std::optional<Address> ParseAddress(std::string_view text);

// An IPv4 or IPv6 address in digits, without brackets.
bool IsIpAddress(const std::string& text);

}  // namespace runner
