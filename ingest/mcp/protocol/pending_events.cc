#include "ingest/mcp/protocol/pending_events.h"

#include <cstddef>
#include <utility>

#include "ingest/mcp/protocol/event_list.h"

namespace runner::ingest {
namespace {

DecodedEvent Checked(FaultEvent event) {
  if (auto invalid = Normalize(event)) return *std::move(invalid);
  return event;
}

}  // namespace

void PendingEvents::Add(std::vector<ClusterEvent> events, bool backfilled, const Instant& now) {
  for (ClusterEvent& event : events) events_.push_back({std::move(event), backfilled});
  added_ = now;
}

std::vector<DeliverEvent> PendingEvents::TakePortion() {
  constexpr std::size_t kMaxBytes = std::size_t{256} << 10;
  constexpr std::size_t kMaxEvents = 64;
  std::vector<DeliverEvent> portion;
  std::size_t bytes = 0;
  while (portion.size() < kMaxEvents && bytes < kMaxBytes && !events_.empty()) {
    bytes += events_.front().event.message_source.size();
    portion.push_back(TakeFirst());
  }
  return portion;
}

std::vector<DeliverEvent> PendingEvents::TakeAll() {
  std::vector<DeliverEvent> all;
  while (!events_.empty()) {
    ClusterEvent& event = events_.front().event;
    if (!std::exchange(event.message_source, {}).empty()) event.message_cut = true;
    all.push_back(TakeFirst());
  }
  return all;
}

DeliverEvent PendingEvents::TakeFirst() {
  auto& [event, backfilled] = events_.front();
  CompleteMessage(event);
  DeliverEvent delivered{Checked(ToFault(event, added_.wall)), backfilled};
  events_.pop_front();
  return delivered;
}

std::optional<MonoTime> PendingEvents::Deadline() const {
  return events_.empty() ? std::nullopt : std::optional(added_.mono);
}

}  // namespace runner::ingest
