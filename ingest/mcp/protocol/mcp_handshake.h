#pragma once

#include <optional>
#include <string>
#include <variant>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/event_tools.h"
#include "ingest/mcp/protocol/mcp_channel.h"
#include "ingest/mcp/protocol/mcp_session_options.h"

namespace runner::ingest {

struct JsonRpcResponse;

// How the events of this server are received.
struct SessionTerms {
  McpMode mode = McpMode::kAuto;  // kAuto until the tools are known
  EventToolNames tools;
  std::string level_refusal;  // why the server refused logging/setLevel; empty: it did not
};

// From nothing to a session (MCP, Lifecycle; versions 2024-11-05 to 2025-11-25):
//
//   initialize -> notifications/initialized -> GET stream -> logging/setLevel -> tools/list
//
// logging/setLevel only if the server has the capability; tools/list only in mode auto, which it
// decides, and where tool names are configured. Over HTTP with SSE (2024-11-05) the stream comes
// first and names the URL for POSTs.
//
// The later steps can be repeated within the session. Pure; not thread-safe. The channel and the
// options outlive it.
class McpHandshake {
 public:
  struct UnderWay {};
  struct Done {};  // terms() hold
  using Progress = std::variant<UnderWay, Done, ConnectionFailure>;

  McpHandshake(const McpSessionOptions& options, McpChannel& channel);

  Progress Start(const Instant& now);
  // From logging/setLevel on; the stream is open.
  Progress SetLevel(const Instant& now);
  // tools/list only. If the server refuses it in a mode other than auto, the names stay unresolved.
  Progress ListTools(const Instant& now);

  // HTTP with SSE: the stream has named the URL for POSTs. Nothing: it is of another origin.
  Progress OnEndpoint(const std::optional<std::string>& url, const Instant& now);
  // The server accepted the POST under way. `session_id`: from the head; may be empty.
  void OnAccepted(const std::string& session_id);
  // The POST under way failed. `status`: of HTTP, 0 if the server did not answer with an error
  // status.
  Progress OnRequestFailed(ConnectionFailure failure, int status, const Instant& now);
  Progress OnReply(const JsonRpcResponse& response, const Instant& now);
  // Whether this POST is notifications/initialized, and is under way.
  bool Confirms(PostId post) const;
  Progress OnConfirmed(const Instant& now);
  Progress OnStreamAccepted(const Instant& now);
  Progress OnStreamRefused(const HttpHead& head, const Instant& now);
  Progress OnStreamDone(ConnectionFailure why, const Instant& now);
  Progress OnTimer(const Instant& now);
  std::optional<MonoTime> NextDeadline() const;

  const SessionTerms& terms() const { return terms_; }
  // A failure that ends the session, together with that of the transport that was tried before.
  ConnectionFailure Explain(ConnectionFailure failure) const;

 private:
  struct NotBegun {};
  struct AwaitingEndpoint {
    MonoTime deadline;
  };
  struct Initializing {};
  struct Confirming {
    PostId post = 0;
  };
  struct OpeningStream {};
  struct SettingLevel {};
  struct ListingTools {
    MonoTime deadline;  // after which no further page is requested
    int pages = 0;
  };
  using Phase = std::variant<NotBegun, AwaitingEndpoint, Initializing, Confirming, OpeningStream,
                             SettingLevel, ListingTools, Done>;

  Progress AwaitEndpoint(const Instant& now);
  Progress Initialize(const Instant& now);
  Progress OnInitialized(const JsonRpcResponse& response);
  Progress WithoutStream(const Instant& now);
  Progress AfterLevel(const Instant& now);
  Progress OnToolsListed(const JsonRpcResponse& response, const Instant& now);
  Progress ChooseMode();
  Progress Finish();
  bool NeedsStream() const;
  template <typename T>
  bool In() const {
    return std::holds_alternative<T>(phase_);
  }

  const McpSessionOptions& options_;
  McpChannel& channel_;
  Phase phase_;
  bool server_logs_ = false;
  SessionTerms terms_;
  // Of Streamable HTTP, while HTTP with SSE is tried.
  std::optional<ConnectionFailure> first_refusal_;
};

}  // namespace runner::ingest
