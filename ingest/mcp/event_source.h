#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "ingest/mcp/connection_error.h"
#include "ingest/mcp/fault_decoder.h"

namespace runner::ingest {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first part of an HTTP answer, as far as MCP cares.
struct HttpHead {
  int status = 0;
  std::string content_type;  // lower case, without parameters
  std::string session_id;    // Mcp-Session-Id
  std::optional<Duration> retry_after;
};

using PostId = std::uint64_t;

enum class MessageOrigin { kStream, kPost };

// What an event source wants done.
struct PostMessage {
  PostId post;
  std::string body;
  HttpHeaders headers;
};
struct CancelPost {
  PostId post;
};
struct OpenStream {
  HttpHeaders headers;
};
struct CloseStream {};
// Told once; nobody waits for the answer.
struct DeleteSession {
  HttpHeaders headers;
};
struct DeliverEvent {
  DecodedEvent event;
};
// From now on faults arrive.
struct Subscribed {
  std::string session_id;
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
};

using SourceAction = std::variant<PostMessage, CancelPost, OpenStream, CloseStream, DeleteSession,
                                  DeliverEvent, Subscribed, ConnectionLost, SourceWarning>;
using SourceActions = std::vector<SourceAction>;

// The seam between an MCP server and the rest of ingest: how to speak to a server so that its
// faults arrive. One implementation for each era of the protocol.
//
// A state machine without I/O: it is told what came over HTTP and answers with what to do. All
// calls on one thread. After ConnectionLost only Resume (when resumable) or Close may follow.
class EventSource {
 public:
  virtual ~EventSource() = default;

  virtual SourceActions Start(const Instant& now) = 0;
  // Goes on after a resumable ConnectionLost.
  virtual SourceActions Resume(const Instant& now) = 0;
  // Says good-bye; nothing follows.
  virtual SourceActions Close() = 0;

  // One JSON-RPC text. What is not JSON-RPC counts as an invalid event when it came over the
  // stream, where events come; in the answer to a POST it is no reply, as OnPostDone will find.
  virtual SourceActions OnMessage(std::string_view text, MessageOrigin origin,
                                  const Instant& now) = 0;
  // A message of the stream was over a limit and was dropped.
  virtual SourceActions OnOversize() = 0;
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
