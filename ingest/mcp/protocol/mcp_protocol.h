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

// The first part of an HTTP answer, as far as MCP cares.
struct HttpHead {
  int status = 0;
  std::string content_type;  // lower case, without parameters
  std::string session_id;    // Mcp-Session-Id
  std::optional<Duration> retry_after;
  // For the text of a failure, each without what may be secret.
  std::string location = {};  // where a redirect leads
  std::string request = {};   // what was answered: "POST http://host/mcp"
  std::string body = {};      // of an error status: its first part
};

inline bool IsSuccess(const HttpHead& head) { return head.status >= 200 && head.status < 300; }

using PostId = std::uint64_t;

enum class MessageOrigin { kStream, kPost };

// How the events of a cluster are come by. kAuto: faults where the server pushes them, else
// polling.
enum class SourceMode { kAuto, kFaults, kEvents, kPoll };
std::string_view ToString(SourceMode mode);
// The server sends events on the stream, unasked.
inline bool IsPush(SourceMode mode) {
  return mode == SourceMode::kFaults || mode == SourceMode::kEvents;
}

// kAuto: Streamable HTTP, and where a server refuses that, HTTP with SSE as of MCP 2024-11-05.
enum class Transport { kAuto, kStreamableHttp, kSse };
std::string_view ToString(Transport transport);

// What a stream has shown since it was opened.
struct StreamActivity {
  std::uint64_t comments = 0;  // comment lines, which servers send to keep a stream alive
  std::uint64_t events = 0;
  bool mid_event = false;          // an event has begun and is not at its end
  std::string last_event_id = {};  // of the latest whole event that had one; empty: none had
};

// What an event source wants done.
struct PostMessage {
  PostId post = 0;
  std::string body;
  HttpHeaders headers;
  std::string url;  // empty: the configured endpoint
  // Set for a list of events, which may take long and be large; otherwise the usual limits hold.
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
// Told once; nobody waits for the answer.
struct DeleteSession {
  HttpHeaders headers;
};
struct DeliverEvent {
  DecodedEvent event;
  bool backfilled = false;  // found afterwards: it happened while nobody was subscribed
};
// From now on events arrive.
struct Subscribed {
  std::string session_id;
  std::string protocol_version;
  SourceMode mode = SourceMode::kFaults;             // never kAuto
  Transport transport = Transport::kStreamableHttp;  // never kAuto
};
// Faults do not arrive any more. When `resumable`, Resume() can go on with the same session;
// otherwise the source is at its end and a new one is needed.
struct ConnectionLost {
  ConnectionFailure failure;
  bool resumable = false;
};
// Something that operators should read about; the connection goes on.
struct SourceWarning {
  std::string message;
  std::string detail;
  bool once = false;  // not repeated for this cluster
};
// Entries of a list of events that were not used.
struct EntriesDropped {
  std::size_t count = 0;
};

using SourceAction =
    std::variant<PostMessage, CancelPost, OpenStream, CloseStream, DeleteSession, DeliverEvent,
                 Subscribed, ConnectionLost, SourceWarning, EntriesDropped>;
using SourceActions = std::vector<SourceAction>;

// The seam between an MCP server and the rest of ingest: how to speak to a server so that its
// faults arrive. One implementation for each era of the protocol.
//
// A state machine without I/O: it is told what came over HTTP and answers with what to do. All
// calls on one thread. After ConnectionLost only Resume (when resumable) or Close may follow.
class McpProtocol {
 public:
  virtual ~McpProtocol() = default;

  virtual SourceActions Start(const Instant& now) = 0;
  // Goes on after a resumable ConnectionLost.
  virtual SourceActions Resume(const Instant& now) = 0;
  // Says good-bye; nothing follows.
  virtual SourceActions Close(const Instant& now) = 0;

  // The texts of a tool result in the message that OnMessage follows with, read as a list of
  // events. In that message they are cut (tool_text_extractor.h).
  virtual void OnListedEvents(EventList list) = 0;
  // One JSON-RPC text. What is not JSON-RPC counts as an invalid event when it came over the
  // stream, where events come; in the answer to a POST it is no reply, as OnPostDone will find.
  virtual SourceActions OnMessage(std::string_view text, MessageOrigin origin,
                                  const Instant& now) = 0;
  // A message of the stream was over a limit and was dropped.
  virtual SourceActions OnOversize() = 0;
  // A line of the stream does not come to its end: nothing more is to be had from this stream.
  virtual SourceActions OnEndlessLine(const Instant& now) = 0;
  // The stream has told where messages are to be posted (MCP 2024-11-05, "HTTP with SSE"). Nothing:
  // what it told is no URL of the same origin.
  virtual SourceActions OnEndpoint(const std::optional<std::string>& url, const Instant& now) = 0;
  // After every piece of the stream, whole messages told before.
  virtual SourceActions OnActivity(const StreamActivity& pulse, const Instant& now) = 0;
  // The head of a POST's answer has come.
  virtual SourceActions OnPostHead(PostId post, const HttpHead& head, const Instant& now) = 0;
  // A POST is over: complete, or failed on the way. Its messages came before.
  virtual SourceActions OnPostDone(PostId post, const std::optional<ConnectionFailure>& failure,
                                   const Instant& now) = 0;
  virtual SourceActions OnStreamHead(const HttpHead& head, const Instant& now) = 0;
  // The stream is over: ended by the server (no failure), or broken.
  virtual SourceActions OnStreamDone(const std::optional<ConnectionFailure>& failure,
                                     const std::string& last_event_id, const Instant& now) = 0;
  virtual SourceActions OnTimer(const Instant& now) = 0;
  virtual std::optional<MonoTime> NextDeadline() const = 0;
  // Whether the reply to this POST is still to come.
  virtual bool Awaits(PostId post) const = 0;
};

}  // namespace runner::ingest
