#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "ingest/core/scheduler.h"

namespace runner::sim {

// The rules of deduplication, circuit breaker and hourly limit in a second, simple implementation.

// The deduplication key; the uid is not part of it.
inline std::string KeyOf(ingest::DedupKey kind, const FaultEvent& event) {
  if (kind == ingest::DedupKey::kFault && !event.fault_id.empty()) {
    return "fault " + event.cluster + " " + event.fault_id;
  }
  return "object " + event.cluster + " " + event.resource.kind + " " + event.resource.namespace_ +
         " " + event.resource.name;
}

// The holder of each key, and how often it was investigated.
class DedupRule {
 public:
  explicit DedupRule(const ingest::DedupWindow::Options& options) : options_(options) {}

  struct Taken {
    std::string incident;  // that an event of the key duplicates
    bool open = false;
    // If it has ended: the highest severity investigated within the window.
    Severity level = Severity::kDebug;
  };

  // Handles an event of this key. Returns the holder, or nothing if the event is a new incident.
  std::optional<Taken> OnEvent(const std::string& key, MonoTime now) {
    if (!keys_.contains(key) || options_.window == Duration::zero()) return std::nullopt;
    Key& known = keys_[key];
    if (known.open) {
      known.last = now;
      return Taken{known.incident, true, {}};
    }
    if (now - known.last >= options_.quiet) known.runs.clear();
    known.last = now;
    if (known.runs.empty()) return std::nullopt;
    const Run& latest = known.runs.back();
    if (now - latest.ended >= WindowAfter(known.runs.size())) return std::nullopt;
    return Taken{latest.incident, false, Level(known.runs)};
  }
  // The queued or running incident of this key.
  std::optional<std::string> Open(const std::string& key) const {
    const auto found = keys_.find(key);
    if (found == keys_.end() || !found->second.open) return std::nullopt;
    if (options_.window == Duration::zero()) return std::nullopt;
    return found->second.incident;
  }
  void Queued(const std::string& key, const std::string& incident, MonoTime now) {
    Key& known = keys_[key];
    if (!known.open && !known.runs.empty() && now - known.last >= options_.quiet) {
      known.runs.clear();
    }
    known.incident = incident;
    known.open = true;
    known.queued = now;
    known.last = std::max(known.last, now);
  }
  void Ended(const std::string& key, const std::string& incident, Severity severity, bool ran,
             MonoTime at) {
    Key& known = keys_[key];
    if (known.incident != incident) return;
    known.open = false;
    if (!ran) return;
    known.runs.push_back({incident, severity, known.queued, at});
    known.last = std::max(known.last, at);
  }

 private:
  struct Run {
    std::string incident;
    Severity severity;
    MonoTime queued, ended;
  };
  struct Key {
    std::string incident;  // the latest
    bool open = false;
    MonoTime queued;                 // of the latest incident
    std::vector<Run> runs;           // since the latest quiet time
    MonoTime last{Duration::min()};  // latest event or end
  };

  Duration WindowAfter(std::size_t runs) const {
    Duration window = options_.window;
    for (std::size_t i = 1; i < runs; ++i) window = std::min(window * 3, options_.window_max);
    return window;
  }
  // Considers runs back to the one whose event came while no window was open.
  Severity Level(const std::vector<Run>& runs) const {
    Severity level = runs.back().severity;
    for (std::size_t i = runs.size() - 1; i > 0; --i) {
      if (runs[i].queued - runs[i - 1].ended >= WindowAfter(i)) break;
      level = std::max(level, runs[i - 1].severity);
    }
    return level;
  }

  const ingest::DedupWindow::Options options_;
  std::map<std::string, Key> keys_;
};

// The circuit breaker, from the results of the latest leases.
class BreakerRule {
 public:
  using State = ingest::CircuitBreaker::State;

  explicit BreakerRule(const ingest::CircuitBreaker::Options& options) : options_(options) {}

  State state() const { return state_; }
  std::uint32_t failures() const { return failures_; }
  MonoTime until() const { return opened_at_ + options_.cooldown; }  // end of the open state
  bool AdmitsLease() const {
    return state_ == State::kClosed || (state_ == State::kHalfOpen && !probe_);
  }
  void Leased(const std::string& incident, MonoTime now) {
    leased_[incident] = {now, openings_};
    if (state_ == State::kHalfOpen) probe_ = incident;
  }
  void Ended(const std::string& incident, std::optional<RunStatus> status, MonoTime now) {
    const auto found = leased_.find(incident);
    if (found == leased_.end()) return;  // leased before the restart
    const bool before_the_opening = found->second.second != openings_;
    leased_.erase(found);
    if (before_the_opening) return;
    EndedInTime(incident, status, now);
  }
  // Leased before the restart: counts as leased while closed.
  void Restored(const std::string& incident) { leased_[incident] = {{}, 0}; }
  void HalfOpen() { state_ = State::kHalfOpen; }
  // From an operator: current leases count as leased before an opening.
  void Reset() {
    state_ = State::kClosed;
    failures_ = 0;
    ++openings_;
    probe_.reset();
  }

 private:
  void EndedInTime(const std::string& incident, std::optional<RunStatus> status, MonoTime now) {
    const bool probed = probe_ == incident;
    if (probed) probe_.reset();
    if (options_.threshold == 0) return;
    if (status == RunStatus::kSuccess) {
      failures_ = 0;
      state_ = State::kClosed;
    } else if (status == RunStatus::kFailure || status == RunStatus::kTimeout) {
      ++failures_;
      if (state_ == State::kClosed && failures_ < options_.threshold) return;
      state_ = State::kOpen;
      opened_at_ = now;
      ++openings_;
    }
  }

  const ingest::CircuitBreaker::Options options_;
  State state_ = State::kClosed;
  std::uint32_t failures_ = 0;
  std::uint64_t openings_ = 0;
  MonoTime opened_at_;
  std::optional<std::string> probe_;
  std::map<std::string, std::pair<MonoTime, std::uint64_t>>
      leased_;  // time of the lease, number of openings and resets before it
};

// The start times of runs.
class RateRule {
 public:
  explicit RateRule(std::size_t limit) : limit_(limit) {}

  bool Admits(MonoTime now) const {
    if (limit_ == 0) return true;
    return static_cast<std::size_t>(std::count_if(
               began_.begin(), began_.end(),
               [&](const auto& one) { return now - one.second < std::chrono::hours(1); })) < limit_;
  }
  void Begin(const std::string& incident, MonoTime at) { began_.emplace_back(incident, at); }
  void Withdraw(const std::string& incident) {
    const auto latest = std::find_if(began_.rbegin(), began_.rend(),
                                     [&](const auto& one) { return one.first == incident; });
    if (latest != began_.rend()) began_.erase(std::next(latest).base());
  }

 private:
  const std::size_t limit_;
  std::vector<std::pair<std::string, MonoTime>> began_;
};

}  // namespace runner::sim
