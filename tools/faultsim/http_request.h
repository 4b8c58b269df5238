#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runner::faultsim {

// One HTTP/1.1 request, complete.
struct HttpRequest {
  std::string method;
  std::string path;                                          // of the target, without the query
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // The value of the first header of that (lower case) name, or nullopt.
  std::optional<std::string_view> Header(std::string_view name) const;
};

// Bytes in, requests out; no I/O. The result does not depend on how the bytes were cut.
// After an error the parser is of no further use: answer with `status` and close.
class RequestParser {
 public:
  static constexpr std::size_t kMaxHeadBytes = 16 * 1024;
  static constexpr std::size_t kMaxBodyBytes = 1024 * 1024;

  struct Error {
    int status = 400;
    std::string_view what;
  };

  // Appends what the connection delivered.
  void Feed(std::string_view bytes) { buffer_.append(bytes); }
  // The next complete request, or nullopt when more bytes are needed or Failed() says why not.
  // Requests sent back to back come out one by one.
  std::optional<HttpRequest> Next();
  const std::optional<Error>& Failed() const { return error_; }
  // More is fed than one request can be: somebody should wait.
  bool Full() const { return buffer_.size() > kMaxHeadBytes + kMaxBodyBytes; }

 private:
  std::nullopt_t Fail(int status, std::string_view what);
  // Parses the head in buffer_[0, end) into request_; false after Fail.
  bool ParseHead(std::size_t end);
  bool ParseRequestLine(std::string_view line);
  bool ParseHeaderLine(std::string_view line);
  bool ParseFraming();

  std::string buffer_;
  std::size_t scanned_ = 0;             // the end of the head is not before this
  std::optional<HttpRequest> request_;  // the head is parsed, the body is awaited
  std::size_t body_bytes_ = 0;
  std::optional<Error> error_;
};

}  // namespace runner::faultsim
