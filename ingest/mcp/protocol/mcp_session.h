#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/mcp/protocol/event_history.h"
#include "ingest/mcp/protocol/mcp_channel.h"
#include "ingest/mcp/protocol/mcp_handshake.h"
#include "ingest/mcp/protocol/mcp_protocol.h"
#include "ingest/mcp/protocol/mcp_session_options.h"
#include "ingest/mcp/protocol/mcp_subscription.h"

namespace runner::ingest {

// The MCP versions with sessions (2024-11-05 to 2025-11-25): a handshake, then a subscription.
// Either may need the other again: a stream that was reopened may need its level, and a tool that
// was refused the list of tools.
//
// One request is under way at a time. Pure: no I/O, no clock; not thread-safe.
class McpSession final : public McpProtocol {
 public:
  // `history` outlives the session.
  McpSession(McpSessionOptions options, EventHistory& history);

  McpActions Start(const Instant& now) override;
  McpActions Resume(const Instant& now) override;
  McpActions Close(const Instant& now) override;
  void OnListedEvents(EventList list) override { listed_ = std::move(list); }
  McpActions OnMessage(std::string_view text, MessageOrigin origin, const Instant& now) override;
  McpActions OnOversize() override;
  McpActions OnEndlessLine(const Instant& now) override;
  McpActions OnEndpoint(const std::optional<std::string>& url, const Instant& now) override;
  McpActions OnActivity(const StreamActivity& activity, const Instant& now) override;
  McpActions OnPostHead(PostId post, const HttpHead& head, const Instant& now) override;
  McpActions OnPostDone(PostId post, const std::optional<ConnectionFailure>& failure,
                        const Instant& now) override;
  McpActions OnStreamHead(const HttpHead& head, const Instant& now) override;
  McpActions OnStreamDone(const std::optional<ConnectionFailure>& failure,
                          const std::string& last_event_id, const Instant& now) override;
  McpActions OnTimer(const Instant& now) override;
  std::optional<MonoTime> NextDeadline() const override;
  bool Awaits(PostId post) const override { return channel_.Awaits(post); }

 private:
  // Whose the reply, the stream and the failures are.
  enum class Stage { kHandshake, kSubscription, kSuspended, kEnded };

  void Follow(McpHandshake::Progress progress, const Instant& now);
  void Follow(McpSubscription::Progress progress, const Instant& now);
  void OnResponse(const JsonRpcResponse& response, std::optional<EventList>& listed,
                  const Instant& now);
  // `status`: of HTTP, 0 if the server did not answer with an error status.
  void OnRequestFailed(ConnectionFailure failure, int status, const Instant& now);
  void Lose(McpSubscription::Lost lost);
  void Fail(ConnectionFailure failure) { Lose({std::move(failure)}); }

  const McpSessionOptions options_;
  const std::shared_ptr<JsonRpcReader> reader_;
  Stage stage_ = Stage::kHandshake;
  McpChannel channel_;
  McpHandshake handshake_;
  McpSubscription subscription_;
  std::optional<EventList> listed_;  // out of the message that comes next
};

}  // namespace runner::ingest
