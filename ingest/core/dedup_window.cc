#include "ingest/core/dedup_window.h"

#include <algorithm>
#include <initializer_list>

namespace runner::ingest {
namespace {

// Lengths keep keys distinct whatever characters their parts contain.
std::string Join(std::initializer_list<std::string_view> parts) {
  std::string key;
  for (const std::string_view part : parts) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  }
  return key;
}

}  // namespace

std::string_view ToString(DedupKey key) {
  return key == DedupKey::kResource ? "resource" : "fault";
}

std::string DedupKeyOf(DedupKey kind, const FaultEvent& event) {
  if (kind == DedupKey::kFault && !event.fault_id.empty()) {
    return Join({event.cluster, event.fault_id});
  }
  const Resource& resource = event.resource;
  return Join({event.cluster, resource.kind, resource.namespace_, resource.name});
}

std::optional<DedupWindow::Duplicate> DedupWindow::OnEvent(const std::string& key, MonoTime now) {
  if (options_.window == Duration::zero()) return std::nullopt;
  ForgetSilent(now);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  Entry& entry = found->second;
  // ForgetSilent stops at the first key that is not silent; a silent one may follow it.
  if (!entry.open && now - entry.last_event >= options_.quiet) {
    Forget(found);
    return std::nullopt;
  }
  entry.last_event = std::max(entry.last_event, now);
  if (entry.open) return Duplicate{entry.incident_id, true, {}, {}};
  ended_.splice(ended_.end(), ended_, entry.ended);
  const Duration since = now - entry.run_ended;
  if (since >= entry.window) return std::nullopt;
  return Duplicate{entry.investigated_id, false, entry.window - since, entry.level};
}

const std::string* DedupWindow::Open(const std::string& key) const {
  const auto found = entries_.find(key);
  return found != entries_.end() && found->second.open ? &found->second.incident_id : nullptr;
}

void DedupWindow::OnQueued(const std::string& key, const std::string& incident_id, MonoTime now) {
  if (options_.window == Duration::zero()) return;
  const auto [found, is_new] = entries_.try_emplace(key);
  Entry& entry = found->second;
  if (!is_new && !entry.open) {
    ended_.erase(entry.ended);
    // Restored incidents arrive without the events between them.
    if (now - entry.last_event >= options_.quiet) entry.window = Duration::zero();
    if (now - entry.run_ended >= entry.window) entry.level = Severity::kDebug;
  }
  entry.open = true;
  entry.incident_id = incident_id;
  entry.last_event = is_new ? now : std::max(entry.last_event, now);
}

void DedupWindow::OnRunEnded(const std::string& key, const std::string& incident_id,
                             Severity severity, MonoTime ended) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.incident_id != incident_id) return;
  Entry& entry = found->second;
  const Duration grown = 3 * std::min(entry.window, options_.window_max);
  entry.window = std::min(std::max(grown, options_.window), options_.window_max);
  entry.run_ended = ended;
  entry.investigated_id = incident_id;
  entry.level = std::max(entry.level, severity);
  entry.last_event = std::max(entry.last_event, ended);
  Close(found);
}

void DedupWindow::OnDropped(const std::string& key, const std::string& incident_id) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.incident_id != incident_id) return;
  if (found->second.window == Duration::zero()) {
    if (!found->second.open) ended_.erase(found->second.ended);
    entries_.erase(found);
  } else {
    Close(found);
  }
}

void DedupWindow::Close(Entries::iterator found) {
  Entry& entry = found->second;
  if (entry.open) {
    entry.open = false;
    entry.ended = ended_.insert(ended_.end(), found->first);
  }
  if (ended_.size() > options_.max_ended) Forget(entries_.find(ended_.front()));
}

void DedupWindow::Forget(Entries::iterator entry) {
  ended_.erase(entry->second.ended);
  entries_.erase(entry);
}

void DedupWindow::ForgetSilent(MonoTime now) {
  while (!ended_.empty()) {
    const auto oldest = entries_.find(ended_.front());
    if (now - oldest->second.last_event < options_.quiet) return;
    Forget(oldest);
  }
}

}  // namespace runner::ingest
