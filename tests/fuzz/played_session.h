#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/mcp/protocol/mcp_session.h"
#include "tests/fuzz/session_contract.h"
#include "tests/fuzz/session_replies.h"

namespace runner::ingest {

// Sessions with one MCP server, each after the end of the one before, on one history: forwards to
// them what a connection would, checks their actions, and is the clock. An input that cannot happen
// now is skipped.
class PlayedSession {
 public:
  enum class Activity { kComment, kEventBegins, kEventEnds, kByte };

  explicit PlayedSession(McpSessionOptions options);

  // --- POSTs ---
  void ChooseNextPost() { ++chosen_; }  // from now on the next one is meant
  void GivePostHead(const HttpHead& head);
  void ResumePost();  // the answer to the request, a stream that broke: another head follows
  void EndPost(const std::optional<ConnectionFailure>& failure);
  // In the answer to the request, which is then over.
  void Reply(char name);
  // With the latest list that a poll was answered with: a poll must not repeat its events.
  void ReplyOnceMore();

  // --- the stream ---
  void GiveStreamHead(const HttpHead& head);
  void EndStream(const std::optional<ConnectionFailure>& failure, const std::string& event_id);
  void SendEndpoint(const std::optional<std::string>& url);
  void SendOversize();
  void SendEndlessLine();
  void ShowActivity(Activity activity);
  void Send(std::string_view text, MessageOrigin origin);
  void ReplyOnStream(char name);  // the POST is answered apart from it

  // --- time ---
  void Pass(Duration time);
  void JumpWallClock(Duration by) { now_.wall += Wall(by); }
  void Timer();
  void PassToDeadline();

  // --- beginning and end ---
  void Resume();
  void BeginAnother();
  void Close();
  bool closed() const { return closed_; }
  // The server answers no more: the session must end after a few deadlines.
  void EndInSilence();

 private:
  static WallTime::duration Wall(Duration time) {
    return std::chrono::duration_cast<WallTime::duration>(time);
  }
  void Begin();
  void Perform(const McpActions& actions);
  std::optional<PostId> ChosenPost() const;
  bool UnderWay(std::optional<PostId> post) const;
  bool StreamRuns() const { return contract_->stream_open() && contract_->stream_answered(); }
  void GiveHead(PostId post, const HttpHead& head);
  void EndPost(PostId post, const std::optional<ConnectionFailure>& failure);
  void Reply(const ScriptedReply& reply);
  void GiveReply(const ScriptedReply& reply, MessageOrigin origin);
  void GiveMessage(std::string_view text, MessageOrigin origin);
  void TimerOnce();

  McpSessionOptions options_;
  Instant now_{MonoTime(std::chrono::hours(1)), WallTime(std::chrono::hours(500'000))};
  EventHistory history_;
  std::unique_ptr<McpSession> session_;
  std::optional<SessionContract> contract_;
  std::optional<ScriptedReply> list_;
  std::size_t chosen_ = 0;
  bool closed_ = false;
};

}  // namespace runner::ingest
