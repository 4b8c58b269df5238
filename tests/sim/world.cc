#include "tests/sim/world.h"

#include <algorithm>
#include <array>
#include <utility>

namespace runner::sim {
namespace {

using ingest::OverflowPolicy;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMaxHosts = 6;
constexpr std::size_t kMaxRogues = 3;
constexpr Duration kLongestFreeze = seconds(150);  // more than twice the longest time to live
constexpr std::size_t kMaxClusters = 4;            // the lowest hourly limit: each is probed

seconds DrawSeconds(Random& random, std::size_t low, std::size_t high) {
  return seconds(random.Between(low, high));
}

}  // namespace

World::World(std::uint64_t seed, Trace::Mode mode, bool wall_clock_jumps)
    : env_(seed, mode),
      wall_clock_jumps_(wall_clock_jumps),
      options_(DrawOptions(env_.random)),
      clusters_(options_.clusters),
      runs_(env_),
      journal_(env_),
      observations_(env_, journal_),
      network_(env_),
      pods_(env_.random.Between(1, 40)) {
  env_.Note("faults", [this] { return env_.fault_plan.Text(); });
  StartIngest();
  DrawHosts();
  Forecast();
}

void World::DrawIntake(Random& random, ingest::SchedulerOptions& options) {
  options.dedup_key = random.Chance(500) ? ingest::DedupKey::kResource : ingest::DedupKey::kFault;
  options.dedup.window = random.Chance(300) ? Duration::zero() : DrawSeconds(random, 1, 60);
  options.dedup.window_max = options.dedup.window * random.Between(1, 20);
  options.breaker.threshold = static_cast<std::uint32_t>(random.Below(4));
  options.breaker.cooldown = DrawSeconds(random, 5, 60);
  options.breaker_policy =
      random.Chance(500) ? ingest::BreakerPolicy::kDrop : ingest::BreakerPolicy::kHold;
  if (random.Chance(100)) options.max_runs_per_hour = random.Between(4, 20);
}

World::~World() {
  hosts_.clear();
  rogues_.clear();
  ingest_.reset();
}

ingest::FilterRules World::DrawRules(Random& random) {
  ingest::FilterRules rules;
  rules.triage = !random.Chance(50);
  rules.severity_threshold = static_cast<Severity>(random.Between(0, 3));
  return rules;
}

ingest::SchedulerOptions World::DrawOptions(Random& random) {
  ingest::SchedulerOptions options;
  for (std::size_t i = random.Between(1, 4); i > 0; --i) {
    options.clusters.push_back({"c" + std::to_string(options.clusters.size()), DrawRules(random)});
  }
  DrawIntake(random, options);
  options.cluster_queue_size = random.Below(9);
  options.global_queue_size = random.Chance(500) ? random.Between(1, 12) : 1000;
  options.overflow_policy =
      random.Chance(500) ? OverflowPolicy::kDropOldest : OverflowPolicy::kRejectNewest;
  options.max_concurrent_agents = random.Between(1, 5);
  options.max_agents_per_cluster = random.Between(1, 3);
  options.max_attempts = static_cast<std::uint32_t>(random.Between(1, 3));
  options.max_interruptions = static_cast<std::uint32_t>(random.Between(1, 4));
  options.max_unstarted = static_cast<std::uint32_t>(random.Between(1, 4));
  options.max_queue_age = DrawSeconds(random, 10, 300);
  options.queue_sweep_interval = DrawSeconds(random, 5, 60);
  // At least as long as the slowest stop of a remote executor.
  options.leases.lease_ttl = DrawSeconds(random, 30, 60);
  options.leases.accept_timeout = DrawSeconds(random, 2, 10);
  options.history_count = random.Between(1, 50);
  return options;
}

void World::DrawHosts() {
  const std::size_t count = env_.random.Between(1, 3);
  for (std::size_t i = 0; i < count; ++i) {
    Host& host = hosts_.emplace_back();
    host.options.executor_id = "e" + std::to_string(i);
    host.options.slots = static_cast<std::uint32_t>(env_.random.Between(1, 3));
    host.options.sidecar = env_.random.Chance(500);
    host.options.runs.agent_timeout = DrawSeconds(env_.random, 1, 60);
    host.options.runs.kill_grace = DrawSeconds(env_.random, 1, 5);
    host.options.runs.keeps_rules = !host.options.sidecar;
    StartExecutor(i);
  }
}

// --- events that occur by themselves --------------------------------------------------------

template <typename Action>
void World::Recur(Duration mean, Action action) {
  env_.events.After(this, env_.random.Around(mean), [this, mean, action] {
    if (!storm_) return;
    action();
    Recur(mean, action);
  });
}

template <typename Action>
void World::Suffer(Fault fault, Action action) {
  if (!env_.fault_plan.Enabled(fault)) return;
  Recur(env_.fault_plan.MeanInterval(fault), [this, fault, action] {
    env_.Note("faults", [&] { return std::string(NameOf(fault)); });
    action();
  });
}

void World::Forecast() {
  for (std::size_t i = 0; i < clusters_.size(); ++i) BreakPods(i);
  const auto any_stream = [this] {
    const auto open = network_.Open();
    return open.empty() ? ingest::kNoStream : open[env_.random.Below(open.size())];
  };
  Suffer(Fault::kBreakStream, [this, any_stream] { network_.Break(any_stream()); });
  Suffer(Fault::kStallStream, [this, any_stream] { network_.Stall(any_stream()); });
  Suffer(Fault::kCrashExecutor, [this] { CrashExecutor(); });
  Suffer(Fault::kDrainExecutor, [this] {
    if (ExecutorProcess* process = AnyExecutor()) {
      process->Signal();
    }
  });
  Suffer(Fault::kFreezeExecutor, [this] {
    if (ExecutorProcess* process = AnyExecutor()) {
      process->Freeze(env_.random.Between(seconds(1), kLongestFreeze));
    }
  });
  Suffer(Fault::kTwinExecutor, [this] { AddTwin(); });
  Suffer(Fault::kRogueExecutor, [this] { AddRogue(); });
  Suffer(Fault::kCrashIngest, [this] { StopIngest(); });
  Suffer(Fault::kDrainIngest, [this] {
    if (ingest_) ingest_->Drain(env_.random.Between(Duration::zero(), kShutdownTimeout));
  });
  Suffer(Fault::kJumpWallClock, [this] { JumpWallClock(); });
  Suffer(Fault::kFlood, [this] { Flood(); });
  Suffer(Fault::kBadEvents, [this] { SendBadEvent(); });
  Suffer(Fault::kChangeClusters, [this] { ChangeClusters(); });
  Suffer(Fault::kCancelIncident, [this] { CancelIncident(); });
  Suffer(Fault::kRerunIncident, [this] { RerunIncident(); });
  Suffer(Fault::kResetBreaker, [this] {
    if (ingest_) ingest_->ResetBreaker();
  });
}

void World::BreakPods(ingest::ClusterIndex cluster) {
  Recur(milliseconds(env_.random.Between(500, 20'000)),
        [this, cluster] { SendEvent(cluster, static_cast<Severity>(env_.random.Between(2, 4))); });
}

// Adds, removes or re-adds clusters, and changes rules.
void World::ChangeClusters() {
  if (!ingest_ || ingest_->model().draining()) return;
  std::vector<ingest::ClusterOptions> configured;
  for (ingest::ClusterOptions& cluster : clusters_) {
    if (env_.random.Chance(300)) cluster.filter = DrawRules(env_.random);
    if (env_.random.Chance(700)) configured.push_back(cluster);
  }
  if (clusters_.size() < kMaxClusters && env_.random.Chance(300)) {
    BreakPods(clusters_.size());
    clusters_.push_back({"c" + std::to_string(clusters_.size()), DrawRules(env_.random)});
    configured.push_back(clusters_.back());
  }
  // Their order must not matter.
  std::rotate(configured.begin(),
              configured.begin() + static_cast<long>(env_.random.Below(configured.size())),
              configured.end());
  ingest_->SetClusters(configured);
}

// An open incident, or one of the latest, which may have ended.
void World::CancelIncident() {
  if (!ingest_ || last_incident_ == 0) return;
  std::vector<std::string> ids = ingest_->model().OpenIds();
  const std::uint64_t back = env_.random.Below(std::min<std::uint64_t>(last_incident_, 10));
  ids.push_back("i" + std::to_string(last_incident_ - back));
  ingest_->Cancel(ids[env_.random.Below(ids.size())]);
}

// One of the latest incidents, which may still be open.
void World::RerunIncident() {
  if (!ingest_ || last_incident_ == 0) return;
  const std::uint64_t back = env_.random.Below(std::min<std::uint64_t>(last_incident_, 20));
  ingest_->Rerun("i" + std::to_string(last_incident_ - back));
}

void World::RestoreClusters() {
  if (ingest_) ingest_->SetClusters(clusters_);
}

FaultEvent World::MakeFault(std::string pod, Severity severity, std::string uid) {
  FaultEvent event;
  event.fault_id = "fault-of-" + pod;
  event.fault_type = "CrashLoop";
  event.severity = severity;
  event.resource = {"v1", "Pod", std::move(pod), "default", std::move(uid)};
  return event;
}

void World::SendEvent(ingest::ClusterIndex cluster, Severity severity) {
  if (!ingest_) return;
  const std::string pod = "pod-" + std::to_string(env_.random.Below(pods_));
  // One object is reported with its uid, with another uid, with its name as uid, and without one.
  const std::array<std::string, 4> uids = {"uid-a", "uid-b", pod, ""};
  FaultEvent event = MakeFault(pod, severity, uids[env_.random.Below(uids.size())]);
  const bool backfilled = env_.random.Chance(150);
  env_.Note(clusters_[cluster].name, [&] {
    return std::string(backfilled ? "lists" : "pushes") + " a fault of " + event.resource.name +
           ", " + std::string(ToString(severity));
  });
  ingest_->OnEvent(cluster, std::move(event), backfilled);
}

void World::SendBadEvent() {
  const std::size_t cluster = env_.random.Below(clusters_.size());
  const auto severity = static_cast<Severity>(env_.random.Below(5));
  if (env_.random.Chance(500)) {
    SendEvent(cluster, static_cast<Severity>(env_.random.Below(2)));
  } else if (ingest_) {
    ingest_->OnInvalidEvent(cluster,
                            env_.random.Chance(500) ? std::optional(severity) : std::nullopt);
  }
}

void World::Flood() {
  const std::size_t cluster = env_.random.Below(clusters_.size());
  for (std::size_t i = env_.random.Between(3, 15); i > 0; --i) {
    env_.events.After(this, env_.random.Around(milliseconds(20)),
                      [this, cluster] { SendEvent(cluster, Severity::kError); });
  }
}

void World::AddTwin() {
  if (hosts_.size() >= kMaxHosts) return;
  Host twin;
  twin.options = hosts_[env_.random.Below(hosts_.size())].options;
  twin.restarts = false;
  hosts_.push_back(std::move(twin));
  StartExecutor(hosts_.size() - 1);
}

void World::AddRogue() {
  std::erase_if(rogues_,
                [this](const auto& rogue) { return rogue->ended() || env_.random.Chance(200); });
  if (rogues_.size() >= kMaxRogues) return;
  const std::string id = "rogue" + std::to_string(++last_rogue_ % 4);
  if (ingest_) ingest_->model().Distrust(id);
  rogues_.push_back(std::make_unique<RogueExecutor>(env_, network_, id, [this] {
    if (!ingest_ || ingest_->model().offered().empty()) return Lease{"nobody", 1};
    const auto& offered = ingest_->model().offered();
    return *std::next(offered.begin(), static_cast<long>(env_.random.Below(offered.size())));
  }));
}

void World::JumpWallClock() {
  const Duration by = env_.random.Between(-hours(48), hours(48));
  // Across a restart only the wall clock can measure an age.
  const bool restarts =
      env_.fault_plan.Enabled(Fault::kCrashIngest) || env_.fault_plan.Enabled(Fault::kDrainIngest);
  if (wall_clock_jumps_ && !restarts) env_.events.JumpWallClock(by);
}

// --- processes ------------------------------------------------------------------------------

void World::StartIngest() {
  env_.Note("ingest", [] { return std::string("starts"); });
  ingest::SchedulerOptions options = options_;
  options.clusters = clusters_;
  ingest_ = std::make_unique<IngestProcess>(
      env_, network_, runs_, journal_, observations_, options,
      [this] { return "i" + std::to_string(++last_incident_); },
      [this] {
        env_.events.After(this, Duration::zero(), [this, exited = ingest_.get()] {
          if (ingest_.get() == exited) StopIngest();
        });
      });
  for (int i = 0; i < 4; ++i) ingest_->model().Distrust("rogue" + std::to_string(i));
}

void World::StopIngest() {
  if (!ingest_) return;
  env_.Note("ingest", [] { return std::string("has ended"); });
  ingest_.reset();
  env_.events.After(this, env_.random.Between(milliseconds(100), kLongestRestart),
                    [this] { StartIngest(); });
}

void World::StartExecutor(std::size_t index) {
  Host& host = hosts_[index];
  if (departed_ || host.process) return;
  if (env_.random.Chance(200)) {
    host.options.slots = static_cast<std::uint32_t>(env_.random.Between(1, 3));
  }
  const ProcessId id = ++last_process_;
  const auto exited = [this, index, id] {
    env_.events.After(this, Duration::zero(), [this, index, id] {
      if (hosts_[index].process && hosts_[index].process->id() == id) StopExecutor(index);
    });
  };
  host.process = std::make_unique<ExecutorProcess>(env_, network_, runs_, *host.workspace, id,
                                                   host.options, exited);
}

void World::StopExecutor(std::size_t index) {
  Host& host = hosts_[index];
  env_.Note(host.process->name(), [] { return std::string("has ended"); });
  host.process.reset();
  if (!host.restarts) return;
  env_.events.After(this, env_.random.Between(milliseconds(100), kLongestRestart),
                    [this, index] { StartExecutor(index); });
}

ExecutorProcess* World::AnyExecutor() {
  return hosts_[env_.random.Below(hosts_.size())].process.get();
}

void World::CrashExecutor() {
  const std::size_t index = env_.random.Below(hosts_.size());
  if (hosts_[index].process) StopExecutor(index);
}

}  // namespace runner::sim
