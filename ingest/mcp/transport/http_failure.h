#pragma once

#include <string_view>

#include <curl/curl.h>

#include "ingest/mcp/protocol/connection_error.h"

namespace runner::ingest {

// What a transfer that ended with `code` means to a connection. `text`: what libcurl says about it
// (CURLOPT_ERRORBUFFER), or empty. `socket_error`: the errno for which no socket was to be had, or
// 0. The detail never holds a URL, whose query or user may be a secret.
ConnectionFailure FailureOf(CURLcode code, std::string_view text, int socket_error);

// What an operator can do about it, or nothing. `text` as above; `os_error`: the errno of the
// connection (CURLINFO_OS_ERRNO), or 0.
std::string_view AdviceFor(CURLcode code, std::string_view text, int os_error);

}  // namespace runner::ingest
