#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "common/backoff.h"
#include "executor/core/admission.h"
#include "tests/sim/network.h"
#include "tests/sim/simulated_runs.h"

namespace runner::sim {

// One life of an executor's process: the admission of the executor's core, with the shell that
// stands around it in ExecutorLoop and IngestLink rebuilt on simulated time, streams and runs. Each
// method here does what its namesake does there.
//
// Destroying it is a crash.
class ExecutorProcess final : public ExecutorPort, private RunListener {
 public:
  struct Options {
    std::string executor_id;
    std::uint32_t slots = 1;
    bool sidecar = false;
    SimulatedRuns::Options runs;
    Duration beat_interval{};
  };

  // `exited` is called once, from inside a method: what destroys the process must come later.
  ExecutorProcess(Environment& env, Network& network, RunTruth& truth, ProcessId id,
                  Options options, std::function<void()> exited);
  ~ExecutorProcess();
  ExecutorProcess(const ExecutorProcess&) = delete;
  ExecutorProcess& operator=(const ExecutorProcess&) = delete;

  // A signal. The second one interrupts, the third one kills. One that is frozen ignores it.
  void Drain(Duration timeout);
  // Nothing of the process runs for a while, as after SIGSTOP: its streams stay open, its shims go
  // on.
  void Freeze(Duration time);
  void Thaw();
  bool frozen() const { return frozen_; }

  ProcessId id() const { return id_; }
  const Options& options() const { return options_; }
  const std::string& name() const { return name_; }
  bool attached() const { return attached_; }
  bool draining() const { return draining_; }
  bool exited() const { return exited_ == nullptr; }
  const executor::Admission& admission() const { return admission_; }
  const SimulatedRuns& runs() const { return runs_; }
  std::size_t waiting() const { return waiting_.size(); }
  // Offers that ingest may still make, as this process sees it. Below zero: it made too many.
  std::int64_t OpenCredits() const;

 private:
  void OnMessage(StreamId stream, const DownMessage& message) override {
    RunOrDefer([this, stream, message] { Hear(stream, message); });
  }
  void OnEnded(StreamId stream, bool superseded) override {
    RunOrDefer([this, stream, superseded] { Detached(stream, superseded); });
  }
  void OnRunStarted(const Lease& lease) override {
    RunOrDefer([this, lease] { Send(Started{lease}); });
  }
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override {
    RunOrDefer([this, lease, outcome] { RunFinished(lease, outcome); });
  }
  void Hear(StreamId stream, const DownMessage& message);
  void Detached(StreamId stream, bool superseded);
  void RunFinished(const Lease& lease, const Outcome& outcome);

  // Runs `action` after `delay`, or later, once the process is not frozen. `timer` can be cancelled
  // until then.
  void Arm(EventQueue::Id& timer, Duration delay, std::function<void()> action);
  // Runs `action` now, or once the process is not frozen.
  void RunOrDefer(std::function<void()> action);
  // The link.
  void Dial();
  void Beat();
  void Send(UpMessage message);
  void Close();
  // The loop.
  void Handle(const ingest::SendWelcome& welcome);
  void Handle(const ingest::SendOffer& offer);
  void Handle(const ingest::SendRecorded& recorded);
  void Handle(const ingest::SendCancel& cancel);
  void Handle(const ingest::SendDrain& drain);
  void Handle(const ingest::SendBeatAck&) {}
  bool Run(const Lease& lease, const std::string& cluster);
  void EndUnstarted(const Lease& lease, RunStatus status, std::string_view reason);
  void EndWaiting(const Lease& lease, executor::StopReason reason);
  void Stop(const Lease& lease, executor::StopReason reason);
  void StopAll(executor::StopReason reason);
  void Forget(const Lease& lease, std::string_view cause);
  void SendResult(const Lease& lease, const Outcome& outcome);
  void SendCredits();
  void MustEnd();
  void InterruptRuns();
  void AdvanceDrain();
  void FinishDrain();
  void Exit();
  // Invariants.
  std::string State() const;
  void CheckRepeat(const DownMessage& message);

  Environment& env_;
  Network& network_;
  RunTruth& truth_;
  const ProcessId id_;
  const Options options_;
  const std::string name_;
  std::function<void()> exited_;

  executor::Admission admission_;
  std::map<Lease, std::string> waiting_;  // with the name of the cluster
  SimulatedRuns runs_;
  std::int64_t offers_ = 0;  // since Welcome, counted apart from the admission

  StreamId stream_ = ingest::kNoStream;
  bool attached_ = false;
  bool closing_ = false;
  FullJitterBackoff backoff_;
  std::uint64_t beats_ = 0;
  EventQueue::Id retry_timer_, welcome_timer_, beat_timer_, drain_timer_, delivery_timer_,
      close_timer_, thaw_timer_;

  bool frozen_ = false;
  std::deque<std::function<void()>> deferred_;  // what comes while it is frozen

  bool draining_ = false;
  bool must_end_ = false;
  bool superseded_ = false;
  bool interrupting_ = false;
  bool delivering_ = false;
  bool finished_ = false;
};

}  // namespace runner::sim
