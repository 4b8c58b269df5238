#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

struct JsonRpcResponse;

// Error texts about the answers of a server: the request, the answer, and advice for the operator.
// One line each, bounded. Pure.

// Limits, in bytes, for the body of a response with an error status: read, and shown.
constexpr std::size_t kMaxRefusalBody = std::size_t{4} << 10;
constexpr std::size_t kMaxShownWords = 200;

// A URL without user, query and fragment, which may be secret.
std::string ShownUrl(std::string_view url);

// The text of the server in the body of an answer: the message of a JSON-RPC error, or the body
// without markup. Empty if there is none.
std::string WordsOf(std::string_view body);

// "unsupported version (code -32022; the server supports 2026-07-28)".
std::string DescribeError(const JsonRpcResponse& error);

// "POST http://host/mcp answers 404 ("not found"); check the path ...". `method` is shown
// if the head does not name the request. `in_session`: the URL has worked before.
std::string DescribeRefusal(const HttpHead& head, std::string_view method, bool in_session);

// Streamable HTTP and, after it, HTTP with SSE were refused: both texts, the advice once.
std::string DescribeBoth(std::string first, const std::string& second);

// The server answers initialize with a version that is none of `known`.
std::string DescribeVersion(std::string_view version, std::span<const std::string_view> known);

// An answer of status 2xx with a body of another type than `expected`.
std::string DescribeWrongType(const HttpHead& head, std::string_view method,
                              std::string_view expected);

}  // namespace runner::ingest
