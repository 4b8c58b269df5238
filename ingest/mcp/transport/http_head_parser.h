#pragma once

#include <string_view>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

// Reads the header lines of an HTTP answer (RFC 9112, section 4), one at a time, as libcurl hands
// them over. Interim answers (1xx) are passed over. Not thread-safe.
class HttpHeadParser {
 public:
  // One line with its end. `now` is what a date in Retry-After is compared with.
  void Line(std::string_view line, WallTime now);

  // The blank line has come.
  bool complete() const { return complete_; }
  const HttpHead& head() const { return head_; }
  // The body is compressed, which nobody asked for.
  bool encoded() const { return encoded_; }
  // The head sets cookies.
  bool sets_cookies() const { return sets_cookies_; }

 private:
  HttpHead head_;
  bool complete_ = false;
  bool encoded_ = false;
  bool sets_cookies_ = false;
};

}  // namespace runner::ingest
