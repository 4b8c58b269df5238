#pragma once

#include <string_view>

#include <curl/curl.h>

#include "ingest/mcp/protocol/connection_error.h"

namespace runner::ingest {

// The failure of a transfer that ended with `code`. `text`: that of libcurl (CURLOPT_ERRORBUFFER),
// or empty. `socket_error`: the errno for which no socket could be opened, or 0. The detail never
// holds a URL, whose query or user may be a secret.
ConnectionFailure FailureOf(CURLcode code, std::string_view text, int socket_error);

// Advice for an operator, or nothing. `text` as above; `os_error`: the errno of the
// connection (CURLINFO_OS_ERRNO), or 0.
std::string_view AdviceFor(CURLcode code, std::string_view text, int os_error);

}  // namespace runner::ingest
