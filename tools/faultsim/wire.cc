#include "tools/faultsim/wire.h"

#include <charconv>

namespace runner::faultsim {
namespace {

std::string_view Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

}  // namespace

std::string RenderResponse(const HttpResponse& response) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out.append(Reason(response.status)).append("\r\n");
  for (const auto& [name, value] : response.headers) {
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (response.close) out += "Connection: close\r\n";
  if (response.stream) return out + "Transfer-Encoding: chunked\r\n\r\n";
  if (response.status != 204) {
    out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  }
  return out + "\r\n" + response.body;
}

std::string EventText(std::string_view data) {
  std::string event = "event: message\n";
  for (;;) {
    const auto at = data.find('\n');
    event.append("data: ").append(data.substr(0, at)).append("\n");
    if (at == std::string_view::npos) break;
    data.remove_prefix(at + 1);
  }
  return event + '\n';
}

std::string RenderChunk(std::string_view bytes) {
  char size[16];
  const auto end = std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr;
  std::string out(size, end);
  out.append("\r\n").append(bytes).append("\r\n");
  return out;
}

std::string RenderEvent(std::string_view data) { return RenderChunk(EventText(data)); }

std::string RenderStreamEnd() { return RenderChunk({}); }

}  // namespace runner::faultsim
