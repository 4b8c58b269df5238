#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/connection_error.h"
#include "ingest/mcp/protocol/event_list.h"
#include "ingest/mcp/protocol/fault_decoder.h"

namespace runner::ingest {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// What MCP needs of the head of an HTTP answer.
struct HttpHead {
  int status = 0;
  std::string content_type;  // lower case, without parameters
  std::string session_id;    // Mcp-Session-Id
  std::optional<Duration> retry_after;
  // For the text of a failure, each without secrets.
  std::string location = {};  // target of a redirect
  std::string request = {};   // "POST http://host/mcp"
  std::string body = {};      // of an error status: its first part
};

inline bool IsSuccess(const HttpHead& head) { return head.status >= 200 && head.status < 300; }

using PostId = std::uint64_t;

enum class MessageOrigin { kStream, kPost };

// How the events of a cluster are received. kAuto: faults if the server pushes them, else polling.
enum class McpMode { kAuto, kFaults, kEvents, kPoll };
using SourceMode = McpMode;  // the name that ingest/config uses
std::string_view ToString(McpMode mode);
// The server sends events on the stream.
inline bool IsPush(McpMode mode) { return mode == McpMode::kFaults || mode == McpMode::kEvents; }

// kAuto: Streamable HTTP; if the server refuses that, HTTP with SSE (MCP 2024-11-05).
enum class Transport { kAuto, kStreamableHttp, kSse };
std::string_view ToString(Transport transport);

// What a stream has sent since it was opened.
struct StreamActivity {
  std::uint64_t comments = 0;  // comment lines, which servers send to keep a stream alive
  std::uint64_t events = 0;
  bool mid_event = false;          // an event has begun and is not complete
  std::string last_event_id = {};  // of the latest complete event that had one; empty: none
};

// Actions of a protocol.
struct PostMessage {
  PostId post = 0;
  std::string body;
  HttpHeaders headers;
  std::string url;  // empty: the configured endpoint
  // Set for a list of events, which may take long and be large; otherwise the default limits apply.
  std::optional<Duration> list_timeout = std::nullopt;
};
struct CancelPost {
  PostId post = 0;
};
struct OpenStream {
  HttpHeaders headers;
  bool carries_replies = false;  // as large as the answer to a POST may be
};
struct CloseStream {};
// The answer is ignored.
struct DeleteSession {
  HttpHeaders headers;
};
struct DeliverEvent {
  DecodedEvent event;
  bool backfilled = false;  // listed afterwards: it happened while no subscription existed
};
// Events are received from now on.
struct Subscribed {
  std::string session_id;
  std::string protocol_version;
  McpMode mode = McpMode::kFaults;                   // never kAuto
  Transport transport = Transport::kStreamableHttp;  // never kAuto
};
// No events are received any more. If `resumable`, Resume() continues the same session; otherwise a
// new protocol object is needed.
struct ConnectionLost {
  ConnectionFailure failure;
  bool resumable = false;
};
// For the log; the connection continues.
struct McpWarning {
  std::string message;
  std::string detail;
  bool once = false;  // not repeated for this cluster
};
// Entries of a list of events that were not used.
struct EntriesDropped {
  std::size_t count = 0;
};

using McpAction =
    std::variant<PostMessage, CancelPost, OpenStream, CloseStream, DeleteSession, DeliverEvent,
                 Subscribed, ConnectionLost, McpWarning, EntriesDropped>;
using McpActions = std::vector<McpAction>;

// How ingest receives the events of an MCP server. One implementation for each era of the protocol.
//
// A state machine without I/O: each input from HTTP returns the actions that it causes. All calls
// on one thread. After ConnectionLost only Resume (if resumable) or Close may follow.
class McpProtocol {
 public:
  virtual ~McpProtocol() = default;

  virtual McpActions Start(const Instant& now) = 0;
  // After a resumable ConnectionLost.
  virtual McpActions Resume(const Instant& now) = 0;
  // Ends the session at the server. The last call.
  virtual McpActions Close(const Instant& now) = 0;

  // The texts of a tool result in the message that OnMessage follows with, read as a list of
  // events. In that message they are cut (tool_text_extractor.h).
  virtual void OnListedEvents(EventList list) = 0;
  // One JSON-RPC text. Other text on the stream counts as an invalid event; in the answer to a POST
  // it is ignored, and OnPostDone finds that the reply is missing.
  virtual McpActions OnMessage(std::string_view text, MessageOrigin origin, const Instant& now) = 0;
  // A message of the stream was over a limit and was dropped.
  virtual McpActions OnOversize() = 0;
  // A line of the stream is over the limit of an event: the stream is useless.
  virtual McpActions OnEndlessLine(const Instant& now) = 0;
  // The stream has named the URL for POSTs (MCP 2024-11-05, "HTTP with SSE"). Nothing: it is no URL
  // of the same origin.
  virtual McpActions OnEndpoint(const std::optional<std::string>& url, const Instant& now) = 0;
  // After every chunk of the stream, and after the messages that it completed.
  virtual McpActions OnActivity(const StreamActivity& activity, const Instant& now) = 0;
  virtual McpActions OnPostHead(PostId post, const HttpHead& head, const Instant& now) = 0;
  // A POST has ended: complete, or failed. Its messages were received before.
  virtual McpActions OnPostDone(PostId post, const std::optional<ConnectionFailure>& failure,
                                const Instant& now) = 0;
  virtual McpActions OnStreamHead(const HttpHead& head, const Instant& now) = 0;
  // The stream has ended: by the server (no failure), or broken.
  virtual McpActions OnStreamDone(const std::optional<ConnectionFailure>& failure,
                                  const std::string& last_event_id, const Instant& now) = 0;
  virtual McpActions OnTimer(const Instant& now) = 0;
  virtual std::optional<MonoTime> NextDeadline() const = 0;
  // Whether the reply to this POST is outstanding.
  virtual bool Awaits(PostId post) const = 0;
};

}  // namespace runner::ingest
