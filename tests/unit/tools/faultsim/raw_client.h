#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/base/unique_fd.h"

namespace runner::faultsim {

// A blocking client whose reads time out.
class Client {
 public:
  explicit Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{20, 0};
    ::setsockopt(fd_.Get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const int small = 64 * 1024;  // so that the server soon notices a peer that does not read
    ::setsockopt(fd_.Get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_.Get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  void Send(const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const auto n = ::send(fd_.Get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
  }

  // Reads up to and including `mark`, or to the end of the connection.
  std::string ReadUntil(const std::string& mark) {
    std::size_t at;
    while ((at = buffer_.find(mark)) == std::string::npos) {
      char bytes[4096];
      const auto n = ::recv(fd_.Get(), bytes, sizeof bytes, 0);
      if (n <= 0) return std::exchange(buffer_, {});
      buffer_.append(bytes, static_cast<std::size_t>(n));
    }
    std::string text = buffer_.substr(0, at + mark.size());
    buffer_.erase(0, at + mark.size());
    return text;
  }
  std::string ReadAll() { return ReadUntil(std::string("\0 never", 7)); }

  // Sends a JSON-RPC message and returns the head and the body of the response.
  std::string Post(const std::string& session, const std::string& body) {
    Send(
        "POST /mcp HTTP/1.1\r\nAccept: application/json, text/event-stream\r\n"
        "Content-Type: application/json\r\n" +
        (session.empty() ? "" : "Mcp-Session-Id: " + session + "\r\n") +
        "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    std::string head = ReadUntil("\r\n\r\n");
    const auto at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    const auto length = static_cast<std::size_t>(std::stoi(head.substr(at + 16)));
    while (buffer_.size() < length) {
      char bytes[4096];
      const auto n = ::recv(fd_.Get(), bytes, sizeof bytes, 0);
      if (n <= 0) break;
      buffer_.append(bytes, static_cast<std::size_t>(n));
    }
    const std::string text = head + buffer_.substr(0, length);
    buffer_.erase(0, length);
    return text;
  }

  // Returns the bytes of one read; empty at the end.
  std::string ReadSome() {
    if (!buffer_.empty()) return std::exchange(buffer_, {});
    char bytes[4096];
    const auto n = ::recv(fd_.Get(), bytes, sizeof bytes, 0);
    error_ = n < 0 ? errno : 0;
    return n > 0 ? std::string(bytes, static_cast<std::size_t>(n)) : std::string();
  }
  // Returns true if nothing arrives within `time`.
  bool SilentFor(std::chrono::milliseconds time) {
    pollfd poll{fd_.Get(), POLLIN, 0};
    return buffer_.empty() && ::poll(&poll, 1, static_cast<int>(time.count())) == 0;
  }
  // errno of the last read of ReadSome.
  int error() const { return error_; }

  void HalfClose() { ::shutdown(fd_.Get(), SHUT_WR); }

 private:
  UniqueFd fd_;
  std::string buffer_;
  int error_ = 0;
};

}  // namespace runner::faultsim
