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

// What makes two events of one cluster the same: the Kubernetes object, whatever is said of it; or
// the id of the fault, which falls back to the object where a server gives no id. The uid is not
// part of an object's key: a Node is reported with its name as uid, with its real uid and with
// none, and lists carry no uid at all.
std::string DedupKeyOf(DedupKey kind, const FaultEvent& event);

// Remembers what is or was investigated lately, so that one fault is not investigated twice.
//
// A key is taken while its incident waits or runs, and for a window after a run of it has ended.
// The window starts at `window` and triples with each further run, up to `window_max`: a fault that
// recurs all night is investigated ever more rarely. After `quiet` without any event of the key it
// starts anew.
//
// Escalation: within the window, an event that is more severe than every incident investigated
// since the window began is no duplicate. Its incident counts as a further run of the key, and the
// key has its severity then: the next event of that severity is a duplicate.
//
// Bounded: keys without an open incident beyond `max_ended` are forgotten, those first that were
// silent longest; open ones are bounded by the queues. Every call costs O(1), forgetting included
// (amortised). Pure; not thread-safe.
class DedupWindow {
 public:
  struct Options {
    Duration window = std::chrono::minutes(5);  // 0: nothing is a duplicate
    Duration window_max = std::chrono::hours(4);
    Duration quiet = std::chrono::hours(24);
    std::size_t max_ended = 65'536;
  };

  struct Duplicate {
    std::string incident_id;  // that the event belongs to
    bool open = false;        // it waits or runs; otherwise its run has ended
    Duration taken_for{};     // then: how much longer events of the key are duplicates
    Severity level{};         // then: the highest severity investigated within the window
  };

  explicit DedupWindow(Options options) : options_(options) {}

  // Whether an event of this key is a duplicate, and of which incident. An event, duplicate or not,
  // breaks the silence of its key.
  // Whether it escalates is up to the caller: Duplicate::level.
  std::optional<Duplicate> OnEvent(const std::string& key, MonoTime now);
  // The incident of this key that waits or runs, or null.
  const std::string* Open(const std::string& key) const;
  // The event became an incident, which is open from now on.
  void OnQueued(const std::string& key, const std::string& incident_id, MonoTime now);
  // Its incident has ended as a run. `ended` may lie in the past when it is learnt at a restart.
  void OnRunEnded(const std::string& key, const std::string& incident_id, Severity severity,
                  MonoTime ended);
  // Its incident has ended without a run: the key is free again.
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
    // The highest level investigated since the window last ended.
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
  Ended ended_;  // keys without an open incident; the one that was silent longest first
};

}  // namespace runner::ingest
