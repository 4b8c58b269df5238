#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runner::faultsim {

// A response. `stream`: only the head is sent, and the connection stays open for events.
struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool stream = false;
  bool close = false;  // close the connection after this response
};

// All well-formed bytes of responses are rendered here.

// The head and, without `stream`, the body with its Content-Length.
std::string RenderResponse(const HttpResponse& response);
// One event without a chunk. Each line of `data` becomes a data line.
std::string EventText(std::string_view data);
// One chunk of a chunked body. An empty chunk is the last one.
std::string RenderChunk(std::string_view bytes);
// One event as one chunk.
std::string RenderEvent(std::string_view data);
// The last chunk, which ends the stream cleanly.
std::string RenderStreamEnd();

}  // namespace runner::faultsim
