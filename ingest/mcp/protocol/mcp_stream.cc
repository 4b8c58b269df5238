#include "ingest/mcp/protocol/mcp_stream.h"

#include <cstdint>
#include <utility>

namespace runner::ingest {

void McpStream::Open() {
  open_ = true;
  accepted_ = false;
  accepted_at_ = last_item_ = MonoTime();
  last_byte_ = WallTime();
  activity_ = StreamActivity();
}

bool McpStream::Close() { return std::exchange(open_, false); }

void McpStream::OnAccepted(const Instant& now) {
  accepted_ = true;
  accepted_at_ = last_item_ = now.mono;
  last_byte_ = now.wall;
}

void McpStream::OnMessage(const Instant& now) {
  last_item_ = now.mono;
  last_byte_ = now.wall;
}

void McpStream::OnActivity(const StreamActivity& activity, const Instant& now) {
  last_byte_ = now.wall;
  if (!activity.last_event_id.empty()) last_event_id_ = activity.last_event_id;
  const StreamActivity before = std::exchange(activity_, activity);
  const bool event_ended = activity.events != before.events;
  if (event_ended || activity.comments != before.comments) last_item_ = now.mono;
  if (activity.mid_event && (event_ended || !before.mid_event)) event_began_ = now.mono;
}

bool McpStream::SendsKeepalives() const {
  constexpr std::uint64_t kKeepaliveComments = 2;
  return activity_.comments >= kKeepaliveComments;
}

std::optional<MonoTime> McpStream::event_began() const {
  return activity_.mid_event ? std::optional(event_began_) : std::nullopt;
}

}  // namespace runner::ingest
