#include "ingest/core/connection_board.h"

#include <utility>

namespace runner::ingest {
namespace {

// Repeats are recognised without durations and without the server's text in parentheses, which may
// name each request.
std::string ComparableError(std::string text) {
  const auto open = text.find('(');
  const auto close = text.rfind(')');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    text.erase(open, close - open);
  }
  std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
  return text;
}

}  // namespace

Duration ConnectionState::GapUntil(MonoTime now) const {
  return subscribed || !ever_subscribed ? gap : gap + (now - since);
}

std::string_view ConnectionState::Word(MonoTime now) const {
  if (subscribed) return "subscribed";
  if (closed) return "closed";
  return next_retry && now < *next_retry ? "retrying" : "connecting";
}

ConnectionBoard::ConnectionBoard(std::size_t clusters, MonoTime start) { Grow(clusters, start); }

void ConnectionBoard::Grow(std::size_t clusters, MonoTime now) {
  while (states_.size() < clusters) states_.emplace_back().since = now;
}

Duration ConnectionBoard::OnSubscribed(std::size_t cluster, SubscriptionFacts facts, MonoTime now) {
  ConnectionState& state = states_.at(cluster);
  state.facts = std::move(facts);
  if (state.subscribed) return {};
  const Duration downtime = now - state.since;
  if (state.ever_subscribed) state.gap += downtime;
  state.subscribed = true;
  state.ever_subscribed = true;
  state.since = now;
  state.last_error.clear();
  state.next_retry.reset();
  state.attempt = 0;
  state.repeats = 0;
  ++subscribed_;
  return downtime;
}

int ConnectionBoard::OnFailed(std::size_t cluster, const std::string& reason,
                              const std::string& detail, Duration retry_in, MonoTime now) {
  ConnectionState& state = states_.at(cluster);
  ++state.errors[reason];
  ++state.reconnections[reason];
  std::string error = reason + ": " + detail;
  state.repeats =
      ComparableError(error) == ComparableError(state.last_error) ? state.repeats + 1 : 1;
  state.last_error = std::move(error);
  state.next_retry = now + retry_in;
  ++state.attempt;
  Unsubscribed(state, now);
  return state.repeats;
}

void ConnectionBoard::OnOpened(std::size_t cluster, MonoTime now) {
  ConnectionState& state = states_.at(cluster);
  if (!state.ever_subscribed) state.since = now;
  state.closed = false;
  state.next_retry.reset();
  state.last_error.clear();
  state.attempt = 0;
  state.repeats = 0;
}

void ConnectionBoard::OnRemoved(std::size_t cluster, MonoTime now) {
  ConnectionState& state = states_.at(cluster);
  OnClosed(cluster, now);
  state.gap = state.GapUntil(now);
  state.ever_subscribed = false;
  state.facts = {};
  state.last_error.clear();
}

void ConnectionBoard::OnClosed(std::size_t cluster, MonoTime now) {
  ConnectionState& state = states_.at(cluster);
  state.closed = true;
  Unsubscribed(state, now);
}

void ConnectionBoard::OnEvent(std::size_t cluster, bool backfilled, WallTime now) {
  ConnectionState& state = states_.at(cluster);
  state.last_event = now;
  if (backfilled) ++state.backfilled;
}

void ConnectionBoard::OnEntriesDropped(std::size_t cluster, std::size_t count) {
  states_.at(cluster).list_entries_dropped += count;
}

void ConnectionBoard::Unsubscribed(ConnectionState& state, MonoTime now) {
  if (!state.subscribed) return;
  state.subscribed = false;
  state.durations.Observe(ToSeconds(now - state.since));
  state.since = now;
  --subscribed_;
}

}  // namespace runner::ingest
