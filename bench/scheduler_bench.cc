// Measures the cost of ingest's decisions by the number of queued incidents and of clusters. Every
// measured operation restores the state, so that the number of queued incidents is constant.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <benchmark/benchmark.h>

#include "ingest/core/incident_queues.h"
#include "ingest/core/scheduler.h"

namespace runner::ingest {
namespace {

using std::chrono::hours;

constexpr StreamId kStream = 1;
constexpr Duration kSweepInterval = std::chrono::microseconds(1);
const Instant kStart{MonoTime(hours(1)), WallTime(hours(500'000))};

SchedulerOptions Options(std::size_t clusters, std::size_t waiting) {
  SchedulerOptions options;
  for (std::size_t i = 0; i < clusters; ++i) {
    options.clusters.push_back({"cluster-" + std::to_string(i), {}});
  }
  options.max_queue_age = hours(24 * 365);
  options.queue_sweep_interval = kSweepInterval;
  options.cluster_queue_size = options.global_queue_size = waiting + 1'000'000;
  return options;
}

// A scheduler with this many queued incidents, spread over the clusters, and one executor that runs
// one of them.
class World {
 public:
  World(std::size_t clusters, std::size_t waiting)
      : clusters_(clusters), scheduler_(Options(clusters, waiting), [this](WallTime) {
          return "incident-" + std::to_string(++last_id_);
        }) {
    for (std::size_t i = 0; i < waiting; ++i) Add();
    dispatch::Hello hello;
    hello.executor_id = "executor";
    hello.slots = 1;
    Effects effects;
    scheduler_.OnHello(kStream, hello, now_, effects);
    scheduler_.OnCredits(kStream, 1, now_, effects);
    TakeOffer(effects);
  }

  // Adds an event of a new resource, for the next cluster in turn.
  void Add() {
    FaultEvent event;
    event.fault_type = "CrashLoop";
    event.severity = Severity::kError;
    event.resource = {"v1", "Pod", "pod-" + std::to_string(++last_pod_), "default", "uid"};
    Effects effects;
    scheduler_.OnEvent(last_pod_ % clusters_, std::move(event), now_, effects);
    benchmark::DoNotOptimize(effects.size());
  }
  // The run ends, and the scheduler leases the next incident.
  void Schedule() {
    Effects effects;
    Outcome outcome;
    outcome.status = RunStatus::kSuccess;
    scheduler_.OnResult(kStream, running_, outcome, now_, effects);
    scheduler_.OnCredits(kStream, ++credits_, now_, effects);
    TakeOffer(effects);
  }
  // A sweep that expires no incident. Time advances only by the sweep interval, which is minimal.
  void Sweep() {
    Effects effects;
    now_.mono += kSweepInterval;
    for (bool more = scheduler_.BeginSweep(now_); more;) {
      more = scheduler_.ExpireNext(now_, effects);
    }
    scheduler_.OnTimer(now_, effects);
    benchmark::DoNotOptimize(effects.size());
  }

 private:
  void TakeOffer(const Effects& effects) {
    for (const Effect& effect : effects) {
      const auto* to = std::get_if<ToExecutor>(&effect);
      if (to == nullptr) continue;
      if (const auto* offer = std::get_if<dispatch::Offer>(&to->message)) running_ = offer->lease;
    }
  }

  const std::size_t clusters_;
  std::uint64_t last_id_ = 0;
  std::uint64_t last_pod_ = 0;
  std::uint64_t credits_ = 1;
  Lease running_;
  Instant now_ = kStart;
  Scheduler scheduler_;
};

// Creating a million incidents takes seconds: each world is created once.
World& WorldOf(const benchmark::State& state) {
  static std::map<std::pair<std::int64_t, std::int64_t>, std::unique_ptr<World>> worlds;
  auto& world = worlds[{state.range(0), state.range(1)}];
  if (!world) {
    world = std::make_unique<World>(static_cast<std::size_t>(state.range(1)),
                                    static_cast<std::size_t>(state.range(0)));
  }
  return *world;
}

// Leases the next incident; a new event takes its place in the queue.
void ScheduleAndPush(benchmark::State& state) {
  World& world = WorldOf(state);
  for (auto _ : state) {
    world.Add();
    world.Schedule();
  }
}

void SweepNoneDue(benchmark::State& state) {
  World& world = WorldOf(state);
  for (auto _ : state) world.Sweep();
}

IncidentQueues& QueuesOf(const benchmark::State& state) {
  static std::map<std::pair<std::int64_t, std::int64_t>, std::unique_ptr<IncidentQueues>> all;
  const auto clusters = static_cast<std::size_t>(state.range(1));
  auto& queues = all[{state.range(0), state.range(1)}];
  if (!queues) {
    queues = std::make_unique<IncidentQueues>(clusters);
    for (std::size_t i = 0; i < static_cast<std::size_t>(state.range(0)); ++i) {
      queues->PushBack(
          i % clusters, i % 7 == 0 ? Priority::kCritical : Priority::kNormal,
          {"incident-" + std::to_string(i), kStart.mono + std::chrono::microseconds(i)});
    }
  }
  return *queues;
}

// Only the queues: one incident leaves and one is added, in the cluster whose turn it is.
void PushPop(benchmark::State& state) {
  IncidentQueues& queues = QueuesOf(state);
  const auto clusters = static_cast<std::size_t>(state.range(1));
  std::size_t turn = 0;
  for (auto _ : state) {
    const ClusterIndex cluster = ++turn % clusters;
    if (auto entry = queues.PopFront(cluster)) {
      queues.PushBack(cluster, Priority::kNormal, *std::move(entry));
    }
  }
}

void SizesAndClusters(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"waiting", "clusters"});
  for (const std::int64_t clusters : {1, 10'000}) {
    for (const std::int64_t waiting : {1, 1'000, 1'000'000}) bench->Args({waiting, clusters});
  }
}

BENCHMARK(PushPop)->Apply(SizesAndClusters);
BENCHMARK(ScheduleAndPush)->Apply(SizesAndClusters);
BENCHMARK(SweepNoneDue)->Apply(SizesAndClusters);

}  // namespace
}  // namespace runner::ingest
