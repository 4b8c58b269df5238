#pragma once

#include <string_view>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

// Parses the header lines of an HTTP answer (RFC 9112, section 4), one at a time, as libcurl
// delivers them. Interim answers (1xx) are skipped. Not thread-safe.
class HttpHeadParser {
 public:
  // One line with its end. `now`: for a date in Retry-After.
  void Line(std::string_view line, WallTime now);

  // The blank line was received.
  bool complete() const { return complete_; }
  const HttpHead& head() const { return head_; }
  // The body is compressed, although the request did not accept that.
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
