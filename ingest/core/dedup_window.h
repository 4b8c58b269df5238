#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/clock.h"
#include "common/domain/incident.h"

namespace runner::ingest {

enum class DedupKey { kResource, kFault };

std::string_view ToString(DedupKey key);

// The deduplication key of an event. kResource: the Kubernetes object. kFault: the fault id, or the
// object if the server sends no id. The uid is not part of the key of an object: servers report a
// Node with its name as uid, with its real uid or with none, and lists carry no uid.
std::string DedupKeyOf(DedupKey kind, const FaultEvent& event);

// Prevents a second investigation of the same fault.
//
// A key is taken while its incident is queued or running, and for a window after its run has ended.
// The window starts at `window` and triples with each further run, up to `window_max`, so that a
// recurring fault is investigated less and less often. After `quiet` without an event of the key,
// the window is reset to `window`.
//
// Escalation: within the window, an event that is more severe than every incident investigated
// since the window began is not a duplicate. Its incident counts as a further run of the key, and
// the key takes its severity: the next event of that severity is a duplicate.
//
// Bounded: of the keys without an open incident, those beyond `max_ended` are removed, the longest
// silent first. Open keys are bounded by the queues. Every call costs amortised O(1). Pure; not
// thread-safe.
class DedupWindow {
 public:
  struct Options {
    Duration window = std::chrono::minutes(5);  // 0: nothing is a duplicate
    Duration window_max = std::chrono::hours(4);
    Duration quiet = std::chrono::hours(24);
    std::size_t max_ended = 65'536;
  };

  struct Duplicate {
    std::string incident_id;  // the incident that the event duplicates
    bool open = false;        // the incident is queued or running; otherwise its run has ended
    Duration taken_for{};     // if ended: how much longer events of the key are duplicates
    Severity level{};         // if ended: the highest severity investigated within the window
  };

  explicit DedupWindow(Options options) : options_(options) {}

  // Returns the incident that an event of this key duplicates, or nothing. Every event, duplicate
  // or not, resets the quiet time of its key. The caller decides whether the event escalates:
  // Duplicate::level.
  std::optional<Duplicate> OnEvent(const std::string& key, MonoTime now);
  // The queued or running incident of this key, or null.
  const std::string* Open(const std::string& key) const;
  // The event became an incident, which is now open.
  void OnQueued(const std::string& key, const std::string& incident_id, MonoTime now);
  // The run of its incident has ended. `ended` may lie in the past: restored incidents.
  void OnRunEnded(const std::string& key, const std::string& incident_id, Severity severity,
                  MonoTime ended);
  // Its incident ended without a run; the key is free again.
  void OnDropped(const std::string& key, const std::string& incident_id);

  std::size_t size() const { return entries_.size(); }

 private:
  using Ended = std::list<std::string>;

  struct Entry {
    std::string incident_id;  // the latest
    bool open = false;
    Duration window{};  // after the latest run; 0: none has ended yet
    MonoTime run_ended;
    std::string investigated_id;  // of the latest run
    // The highest severity investigated since the window last ended.
    Severity level = Severity::kDebug;
    MonoTime last_event;
    Ended::iterator ended;  // valid while not open
  };
  using Entries = std::unordered_map<std::string, Entry>;

  void Close(Entries::iterator entry);
  void Forget(Entries::iterator entry);
  void ForgetSilent(MonoTime now);

  const Options options_;
  Entries entries_;
  Ended ended_;  // keys without an open incident, the longest silent first
};

}  // namespace runner::ingest
