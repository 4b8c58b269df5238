#include "ingest/mcp/protocol/failure_text.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <simdjson.h>

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/json_members.h"
#include "ingest/mcp/protocol/jsonrpc.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxShownUrl = 300;
constexpr std::size_t kMaxVersions = 10;
constexpr std::size_t kMaxVersion = 32;

// One line of valid UTF-8, blanks in a row as one.
std::string OneLine(std::string_view text) {
  std::string line;
  bool blank = false;
  for (const char c : SanitizeUtf8(text)) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
      blank = !line.empty();
    } else {
      if (std::exchange(blank, false)) line.push_back(' ');
      line.push_back(c);
    }
  }
  return line;
}

// The text between the tags, without scripts and styles.
std::string WithoutMarkup(std::string_view html) {
  std::string text;
  while (!html.empty()) {
    const std::size_t open = std::min(html.find('<'), html.size());
    text.append(html.substr(0, open)).push_back(' ');
    html.remove_prefix(open);
    for (const std::string_view element : {"script", "style"}) {
      if (!html.substr(std::min<std::size_t>(1, html.size())).starts_with(element)) continue;
      const std::size_t end = html.find("</" + std::string(element));
      html.remove_prefix(std::min(end, html.size()));
    }
    const std::size_t close = html.find('>');
    html.remove_prefix(close == std::string_view::npos ? html.size() : close + 1);
  }
  return text;
}

std::string SupportedVersions(const JsonIn& data) {
  const JsonMembers members(data, {"supported"});
  simdjson::dom::array versions;
  if (!members["supported"] || members["supported"]->get(versions) != simdjson::SUCCESS) return {};
  std::string text;
  std::size_t count = 0;
  for (const simdjson::dom::element version : versions) {
    std::string_view word;
    if (version.get(word) != simdjson::SUCCESS || word.size() > kMaxVersion) continue;
    if (++count > kMaxVersions) break;
    text.append(text.empty() ? "" : ", ").append(OneLine(word));
  }
  return text;
}

std::string ErrorText(std::int64_t code, std::string_view message, const JsonIn& data) {
  std::string text =
      TruncateUtf8(OneLine(message), kMaxShownWords, "...") + " (code " + std::to_string(code);
  const std::string versions = SupportedVersions(data);
  if (!versions.empty()) text += "; the server supports " + versions;
  return text + ')';
}

// The error of a JSON-RPC response, whatever its id.
std::string ErrorIn(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (parser.parse(body.data(), body.size()).get(document) != simdjson::SUCCESS) return {};
  const JsonMembers reply(document, {"error"});
  const JsonMembers error(reply["error"], {"code", "message", "data"});
  const std::string_view message = error.Text("message");
  std::int64_t code = 0;
  if (message.empty() || !error["code"] || error["code"]->get(code) != simdjson::SUCCESS) return {};
  return ErrorText(code, message, error["data"]);
}

// Advice for an operator.
std::string AdviceFor(const HttpHead& head, bool in_session) {
  if (head.status >= 300 && head.status < 400) {
    return head.location.empty()
               ? "redirects are not followed; configure the URL that the server redirects to"
               : "it redirects to " + head.location +
                     ", and redirects are not followed; configure that URL";
  }
  switch (head.status) {
    case 401:
      return "check the token (token_file) or the headers of the cluster";
    case 403:
      return "check the token and what the server permits (hosts, addresses, roles)";
    case 404:
    case 405:
      if (in_session) return {};
      return "check the port and the path of the endpoint, /mcp for kubernetes-mcp-server";
    case 407:
      return "check the user and password of the proxy (HTTP_PROXY, HTTPS_PROXY)";
    case 421:
      return "configure the host name that the server expects, or permit this one there";
    case 501:
      return "check that this is the URL of an MCP server";
    case 429:
      return "the server limits the rate; the runner retries";
    default:
      if (head.status >= 500) return "see the log of the server, or of the proxy before it";
      return in_session ? std::string()
                        : "check that this is the URL of an MCP server, and http or https";
  }
}

std::string Tried(const HttpHead& head, std::string_view method) {
  return head.request.empty() ? std::string(method) : head.request;
}

}  // namespace

std::string ShownUrl(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  std::string shown(url);
  const auto scheme = url.find("://");
  const std::size_t begin =
      scheme == std::string_view::npos ? (url.starts_with("//") ? 2 : 0) : scheme + 3;
  const std::string_view authority = url.substr(begin, url.substr(begin).find('/'));
  if (const auto at = authority.rfind('@'); at != std::string_view::npos)
    shown.erase(begin, at + 1);
  return TruncateUtf8(EscapeForTerminal(shown), kMaxShownUrl);
}

std::string WordsOf(std::string_view body) {
  body.remove_prefix(std::min(body.find_first_not_of(" \t\r\n"), body.size()));
  if (body.starts_with('{')) {
    if (std::string error = ErrorIn(body); !error.empty()) return error;
  }
  const std::string text = OneLine(body.starts_with('<') ? WithoutMarkup(body) : std::string(body));
  return TruncateUtf8(text, kMaxShownWords, "...");
}

std::string DescribeError(const JsonRpcResponse& error) {
  return ErrorText(error.error_code, error.error_message, error.error_data);
}

std::string DescribeRefusal(const HttpHead& head, std::string_view method, bool in_session) {
  std::string text = Tried(head, method) + " answers " + std::to_string(head.status);
  if (const std::string words = WordsOf(head.body); !words.empty()) text += " (" + words + ")";
  if (const std::string advice = AdviceFor(head, in_session); !advice.empty())
    text += "; " + advice;
  return text;
}

std::string DescribeBoth(std::string first, const std::string& second) {
  const auto advice = first.rfind("; ");
  if (advice != std::string::npos && second.ends_with(first.substr(advice))) first.erase(advice);
  return first + "; as HTTP with SSE: " + second;
}

std::string DescribeVersion(std::string_view version, std::span<const std::string_view> known) {
  std::string text = "the server answers initialize with MCP version '" +
                     TruncateUtf8(EscapeForTerminal(version), kMaxVersion) + "'; expected ";
  for (const std::string_view one : known) {
    text.append(one).append(one == known.back() ? "" : ", ");
  }
  return text;
}

std::string DescribeWrongType(const HttpHead& head, std::string_view method,
                              std::string_view expected) {
  return Tried(head, method) + " answers " + std::to_string(head.status) + " with content type '" +
         head.content_type + "'; expected " + std::string(expected) +
         ": check that this is the URL of an MCP server";
}

}  // namespace runner::ingest
