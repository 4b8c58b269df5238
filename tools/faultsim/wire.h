#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runner::faultsim {

// What is to be answered. `stream`: only the head is sent and the connection stays open for events.
struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool stream = false;
  bool close = false;  // the connection ends after this answer
};

// The only place where the bytes of answers are made: whoever wants to send something else than
// HTTP and server-sent events as they should be starts here.

// The head and, unless it opens a stream, the body with its Content-Length.
std::string RenderResponse(const HttpResponse& response);
// One event, without a chunk around it. `data` becomes as many data lines as it has lines.
std::string EventText(std::string_view data);
// One chunk of a body in chunks. An empty one is the last.
std::string RenderChunk(std::string_view bytes);
// One event of a stream, as one chunk.
std::string RenderEvent(std::string_view data);
// The last chunk: the stream ends cleanly.
std::string RenderStreamEnd();

}  // namespace runner::faultsim
