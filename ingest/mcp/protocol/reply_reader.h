#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/mcp/protocol/event_list.h"
#include "ingest/mcp/protocol/tool_text_extractor.h"

namespace runner::ingest {

// One JSON-RPC message that may hold the answer of events_list, as its bytes arrive: the list is
// parsed at once, the rest is kept. Not thread-safe; not movable.
class ReplyReader {
 public:
  struct Reply {
    std::string json;                 // as ToolTextExtractor leaves it
    std::optional<EventList> listed;  // set if there was a text
    bool oversize = false;            // the rest was over its bound: json is empty
  };

  // `max_rest`: bytes of a message without the texts of a tool result.
  explicit ReplyReader(std::size_t max_rest)
      : extractor_([this](std::string_view text) { OnText(text); }, max_rest) {}
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  void Put(std::string_view bytes) { extractor_.Put(bytes); }
  // Bytes of memory that hold the message under way, without small parts.
  std::size_t buffered() const { return extractor_.buffered() + (list_ ? list_->buffered() : 0); }
  // Frees them: the message is lost, like one over its bound.
  void Drop();
  // The message is complete; the next byte begins another.
  Reply Take();

 private:
  void OnText(std::string_view text);

  std::optional<EventListReader> list_;
  ToolTextExtractor extractor_;
};

}  // namespace runner::ingest
