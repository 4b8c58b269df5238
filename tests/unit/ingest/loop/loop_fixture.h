#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/uuid.h"
#include "common/loop/event_loop.h"
#include "ingest/loop/ingest_loop.h"
#include "ingest/loop/metrics.h"
#include "tests/support/fake_clock.h"

namespace runner::ingest {

// Persists nothing, and can be made to throw.
class FailingJournal final : public IncidentJournal {
 public:
  std::vector<RestoredIncident> Restore() override { return {}; }
  JournalPosition Append(std::vector<IncidentChange> changes) override {
    for (const IncidentChange& change : changes) {
      if (on_change) on_change(change);
    }
    return ++position_;
  }
  Committed committed() const override { return {position_, true}; }
  void OnCommit(std::function<void()>) override {}
  bool degraded() const override { return is_degraded; }
  std::uint64_t write_errors() const override { return errors; }

  std::function<void(const IncidentChange&)> on_change;  // may throw
  bool is_degraded = false;
  std::uint64_t errors = 0;

 private:
  JournalPosition position_ = 0;
};

// Keeps the latest offer.
class RecordingStreams final : public ExecutorStreams {
 public:
  void Send(StreamId, const dispatch::IngestMessage& message) override {
    if (const auto* one = std::get_if<dispatch::Offer>(&message)) offer = one->lease;
  }
  void CloseSuperseded(StreamId) override {}
  void CancelSilent(StreamId) override {}

  Lease offer;
};

// IngestLoop with a fake clock, journal and executors.
struct LoopFixture {
  explicit LoopFixture(std::vector<std::string> clusters, SchedulerOptions options = {})
      : loop(
            With(std::move(options), clusters), event_loop, journal, streams,
            [this](WallTime now) { return ids.Next(now); }, logger) {}

  // Returns all log lines since CaptureStderr.
  std::string CapturedLog() const {
    logger.Flush();
    return ::testing::internal::GetCapturedStderr();
  }

  static SchedulerOptions With(SchedulerOptions options, const std::vector<std::string>& clusters) {
    for (const std::string& name : clusters) options.clusters.push_back({name, {}});
    return options;
  }
  static FaultEvent Fault(const std::string& pod, Severity severity = Severity::kError) {
    FaultEvent event;
    event.fault_id = "fault-" + pod;
    event.fault_type = "CrashLoop";
    event.severity = severity;
    event.resource = {"v1", "Pod", pod, "shop", "uid-" + pod};
    return event;
  }
  void Queue(const std::string& pod, ClusterIndex cluster = 0) {
    loop.Step([&](Scheduler& s, const Instant& now, Effects& effects) {
      FaultEvent event = Fault(pod);
      event.received_at = now.wall;
      s.OnEvent(cluster, std::move(event), now, effects);
    });
  }
  // Runs the loop: one function in each turn, and what is due then. Call once.
  void RunTurns(std::deque<std::function<void()>> turns) {
    const std::function<void()> next = [&] {
      if (turns.empty()) return event_loop.Stop();
      const std::function<void()> turn = std::move(turns.front());
      turns.pop_front();
      turn();
      event_loop.Post(next);
    };
    event_loop.Post(next);
    event_loop.Run();
  }

  FakeClock clock;
  UuidGenerator ids;
  EventLoop event_loop{clock};
  FailingJournal journal;
  RecordingStreams streams;
  const Logger logger{LogLevel::kInfo, LogFormat::kJson};
  IngestLoop loop;
};

}  // namespace runner::ingest
