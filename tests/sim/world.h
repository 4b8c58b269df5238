#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/environment.h"
#include "tests/sim/executor_process.h"
#include "tests/sim/external_observations.h"
#include "tests/sim/ingest_process.h"
#include "tests/sim/network.h"
#include "tests/sim/rogue_executor.h"
#include "tests/sim/run_model.h"
#include "tests/sim/simulated_journal.h"

namespace runner::sim {

// One ingest, several executors, several clusters, and a fault plan. Everything derives from the
// seed.
class World {
 public:
  // Without `wall_clock_jumps` the jumps change nothing: the history must be the same.
  World(std::uint64_t seed, Trace::Mode mode, bool wall_clock_jumps);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Runs one event, then checks every invariant.
  void Step();
  // Stops all faults and new incidents, and restarts what is down.
  void BecomeCalm();
  bool Quiet() const;
  // The time within which BecomeCalm must lead to Quiet.
  Duration TimeToQuiet() const;
  void ReportUnrest();
  // Sends an event that must be investigated; returns the id of its incident.
  std::string Probe(ingest::ClusterIndex cluster);
  // The final status, or nothing while the incident is open.
  std::optional<ingest::FinalStatus> EndOf(const std::string& incident_id);
  // Stops all executors for good.
  void Depart();
  bool Deserted() const;

  // The time until nothing of the fault phase is in flight or counts against a limit.
  Duration TimeToRest() const {
    // Network::Stall may stall a stream for 40 s.
    return options_.max_runs_per_hour == 0 ? std::chrono::seconds(45)
                                           : ingest::HourlyRunLimit::kPeriod;
  }
  std::size_t clusters() const { return clusters_.size(); }
  // Configures all clusters that ever existed.
  void RestoreClusters();
  Environment& env() { return env_; }

 private:
  static constexpr Duration kShutdownTimeout = std::chrono::seconds(30);
  static constexpr Duration kLongestRestart = std::chrono::seconds(20);

  // The host on which the processes of one executor run, one after the other.
  struct Host {
    ExecutorProcess::Options options;
    bool restarts = true;
    std::unique_ptr<SimulatedWorkspace> workspace = std::make_unique<SimulatedWorkspace>();
    std::unique_ptr<ExecutorProcess> process;
  };

  static ingest::SchedulerOptions DrawOptions(Random& random);
  static ingest::FilterRules DrawRules(Random& random);
  static void DrawIntake(Random& random, ingest::SchedulerOptions& options);
  void DrawHosts();
  template <typename Action>
  void Recur(Duration mean, Action action);
  template <typename Action>
  void Suffer(Fault fault, Action action);
  void Forecast();

  void StartIngest();
  void StopIngest();
  void StartExecutor(std::size_t host);
  void StopExecutor(std::size_t host);
  ExecutorProcess* AnyExecutor();

  static FaultEvent MakeFault(std::string pod, Severity severity, std::string uid = "uid");
  void SendEvent(ingest::ClusterIndex cluster, Severity severity);
  void SendBadEvent();
  void Flood();
  void AddTwin();
  void AddRogue();
  void BreakPods(ingest::ClusterIndex cluster);
  void ChangeClusters();
  void CancelIncident();
  void RerunIncident();
  void JumpWallClock();
  void CrashExecutor();

  void Check();
  void CheckExecutor(const ExecutorProcess& process);

  Environment env_;
  const bool wall_clock_jumps_;
  const ingest::SchedulerOptions options_;
  // All clusters that were ever configured, with their latest rules, by their index in ingest; the
  // configuration at each start.
  std::vector<ingest::ClusterOptions> clusters_;
  RunModel runs_;
  SimulatedJournal journal_;
  ExternalObservations observations_;
  Network network_;
  std::unique_ptr<IngestProcess> ingest_;
  std::vector<Host> hosts_;
  std::vector<std::unique_ptr<RogueExecutor>> rogues_;
  bool storm_ = true;
  bool departed_ = false;
  std::size_t pods_;  // with faults, in each cluster
  std::uint64_t last_incident_ = 0;
  std::uint64_t last_probe_ = 0;
  ProcessId last_process_ = 0;
  std::uint64_t last_rogue_ = 0;
};

}  // namespace runner::sim
