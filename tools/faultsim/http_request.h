#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runner::faultsim {

// One complete HTTP/1.1 request.
struct HttpRequest {
  std::string method;
  std::string path;                                          // without the query
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // The first value of the header `name` (lower case), or nullopt.
  std::optional<std::string_view> Header(std::string_view name) const;
};

// Parses requests from bytes; no I/O. The result does not depend on how the bytes are split. After
// an error the parser cannot be used again: respond with `status` and close.
class RequestParser {
 public:
  static constexpr std::size_t kMaxHeadBytes = 16 * 1024;
  static constexpr std::size_t kMaxBodyBytes = 1024 * 1024;

  struct Error {
    int status = 400;
    std::string_view what;
  };

  // Appends received bytes.
  void Feed(std::string_view bytes) { buffer_.append(bytes); }
  // Returns the next complete request. nullopt: more bytes are needed, or Failed() has the error.
  // Pipelined requests are returned one by one.
  std::optional<HttpRequest> Next();
  const std::optional<Error>& Failed() const { return error_; }
  // True if the buffer holds more than one request can have; reading should pause.
  bool Full() const { return buffer_.size() > kMaxHeadBytes + kMaxBodyBytes; }

 private:
  std::nullopt_t Fail(int status, std::string_view what);
  // Parses the head in buffer_[0, end) into request_. Returns false after Fail.
  bool ParseHead(std::size_t end);
  bool ParseRequestLine(std::string_view line);
  bool ParseHeaderLine(std::string_view line);
  bool ParseFraming();

  std::string buffer_;
  std::size_t scanned_ = 0;             // the head does not end before this offset
  std::optional<HttpRequest> request_;  // set while its body is incomplete
  std::size_t body_bytes_ = 0;
  std::optional<Error> error_;
};

}  // namespace runner::faultsim
