#include "ingest/core/connection_board.h"

namespace runner::ingest {

Duration ConnectionState::GapUntil(MonoTime now) const {
  return subscribed || !ever_subscribed ? gap : gap + (now - since);
}

ConnectionBoard::ConnectionBoard(std::size_t clusters, MonoTime start) : states_(clusters) {
  for (ConnectionState& state : states_) state.since = start;
}

Duration ConnectionBoard::OnSubscribed(std::size_t cluster, MonoTime now) {
  ConnectionState& state = states_.at(cluster);
  if (state.subscribed) return {};
  const Duration downtime = now - state.since;
  if (state.ever_subscribed) state.gap += downtime;
  state.subscribed = true;
  state.ever_subscribed = true;
  state.since = now;
  state.last_error.clear();
  ++subscribed_;
  return downtime;
}

void ConnectionBoard::OnFailed(std::size_t cluster, const std::string& reason,
                               const std::string& detail, MonoTime now) {
  ConnectionState& state = states_.at(cluster);
  ++state.errors[reason];
  ++state.reconnections[reason];
  state.last_error = reason + ": " + detail;
  Unsubscribed(state, now);
}

void ConnectionBoard::OnClosed(std::size_t cluster, MonoTime now) {
  Unsubscribed(states_.at(cluster), now);
}

void ConnectionBoard::OnEvent(std::size_t cluster, WallTime now) {
  states_.at(cluster).last_event = now;
}

void ConnectionBoard::Unsubscribed(ConnectionState& state, MonoTime now) {
  if (!state.subscribed) return;
  state.subscribed = false;
  state.durations.Observe(ToSeconds(now - state.since));
  state.since = now;
  --subscribed_;
}

}  // namespace runner::ingest
