#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/unique_fd.h"

namespace runner {

// Connects a socket of the family of `host`, an IPv4 or IPv6 address.
inline bool ConnectSocket(const UniqueFd& fd, std::uint16_t port,
                          const std::string& host = "127.0.0.1") {
  sockaddr_in6 ipv6{};
  if (::inet_pton(AF_INET6, host.c_str(), &ipv6.sin6_addr) == 1) {
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    return ::connect(fd.Get(), reinterpret_cast<const sockaddr*>(&ipv6), sizeof ipv6) == 0;
  }
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &ipv4.sin_addr);
  return ::connect(fd.Get(), reinterpret_cast<const sockaddr*>(&ipv4), sizeof ipv4) == 0;
}

// Connects to a server; the descriptor is empty if the connection is refused. Reads time out after
// 20 s.
inline UniqueFd ConnectTo(std::uint16_t port, const std::string& host = "127.0.0.1") {
  const int family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{20, 0};
  ::setsockopt(fd.Get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return ConnectSocket(fd, port, host) ? std::move(fd) : UniqueFd();
}

// True if this machine has the address ::1.
inline bool HasIpv6Loopback() {
  const UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  return ::bind(fd.Get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

inline void SendText(const UniqueFd& fd, const std::string& text) {
  // A server that rejects the request may close before it has read all of it.
  static_cast<void>(::send(fd.Get(), text.data(), text.size(), MSG_NOSIGNAL));
}

// Returns all bytes that the server sends until it closes the connection.
inline std::string ReadToEnd(const UniqueFd& fd) {
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = ::read(fd.Get(), buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

// True if the server closes the connection. Discards what it sends before.
inline bool IsClosed(const UniqueFd& fd) {
  char buffer[4096];
  ssize_t got = 0;
  do {
    got = ::recv(fd.Get(), buffer, sizeof buffer, 0);
  } while (got > 0);
  return got == 0 || errno == ECONNRESET;
}

// Sends one request and returns the complete response; empty if the connection is refused.
inline std::string AskHttp(std::uint16_t port, const std::string& method, const std::string& target,
                           const std::string& host = "127.0.0.1") {
  const UniqueFd fd = ConnectTo(port, host);
  if (!fd) return {};
  SendText(fd, method + ' ' + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  return ReadToEnd(fd);
}

}  // namespace runner
