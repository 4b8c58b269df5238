#pragma once

#include <optional>
#include <string>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

// The event stream of a session: whether it is open, what it has sent, and when. Keeps the last
// event id when the stream is reopened. Pure; not thread-safe.
class McpStream {
 public:
  // The stream was requested.
  void Open();
  // The stream was closed or has ended. False: it was not open.
  bool Close();
  // The server accepted the request.
  void OnAccepted(const Instant& now);
  // A message was received; OnActivity follows once the chunk that held it is read.
  void OnMessage(const Instant& now);
  void OnActivity(const StreamActivity& activity, const Instant& now);
  // Empty: the next stream is not to replay.
  void set_last_event_id(std::string id) { last_event_id_ = std::move(id); }
  // The server has no such stream.
  void set_unavailable() { unavailable_ = true; }

  bool open() const { return open_; }  // requested, and not ended
  bool accepted() const { return accepted_; }
  bool unavailable() const { return unavailable_; }
  const std::string& last_event_id() const { return last_event_id_; }
  // Whether the server keeps the stream alive with comments. One comment may be a greeting.
  bool SendsKeepalives() const;
  MonoTime accepted_at() const { return accepted_at_; }
  MonoTime last_item() const { return last_item_; }  // a whole event or comment
  WallTime last_byte() const { return last_byte_; }
  // When the event under way began; nothing between events.
  std::optional<MonoTime> event_began() const;

 private:
  bool open_ = false;
  bool accepted_ = false;
  MonoTime accepted_at_;
  MonoTime last_item_;
  WallTime last_byte_;
  MonoTime event_began_;  // valid while activity_.mid_event
  StreamActivity activity_;
  std::string last_event_id_;
  bool unavailable_ = false;
};

}  // namespace runner::ingest
