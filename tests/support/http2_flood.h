#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/unique_fd.h"

namespace runner::support {

// A connection that opens HTTP/2 streams, or sends an endless header block, as fast as possible,
// and reads nothing. It never acknowledges the settings of the server.
class Http2Flood {
 public:
  enum class Kind {
    kReset,          // HEADERS, RST_STREAM (CVE-2023-44487)
    kCallThenReset,  // HEADERS, an empty message, RST_STREAM
    kOpen,           // HEADERS
    kHeaderBlock,    // HEADERS without END_HEADERS, then CONTINUATION (CVE-2024-27316) for each
                     // further stream: kFields fields of one byte each
  };

  static constexpr std::size_t kFields = 50;

  // Connects to a gRPC server on 127.0.0.1. `path` of a call: "/package.Service/Method", at most
  // 127 bytes. Throws std::runtime_error if it cannot connect.
  Http2Flood(std::uint16_t port, const std::string& path, Kind kind);

  // Sends at most that many streams; stops if the server closes the connection, or has read nothing
  // for 2 s. Returns the number sent.
  std::size_t Send(std::size_t streams);

 private:
  const UniqueFd fd_;
  const std::string head_;  // an encoded field section (RFC 7541)
  const Kind kind_;
  std::uint32_t next_stream_ = 1;
};

// The number of threads of a process; 0 if there is no such process.
int ThreadsOf(int pid);
int ThreadsOfThisProcess();

}  // namespace runner::support
