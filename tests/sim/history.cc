#include "tests/sim/history.h"

#include "tests/sim/world.h"

namespace runner::sim {
namespace {

using std::chrono::minutes;

// A limit far above any history: more steps mean a loop in which no time passes.
constexpr std::uint64_t kMaxSteps = 100'000;

// Steps until `done`, at most for `limit` of simulated time. Returns whether it was done.
template <typename Done>
bool StepUntil(World& world, Duration limit, Done done) {
  Environment& env = world.env();
  const MonoTime end = env.Now() + limit;
  for (std::uint64_t steps = 0; !done(); ++steps) {
    if (env.findings.first() || env.events.empty() || env.events.NextTime() > end) return false;
    if (steps > kMaxSteps) return false;
    world.Step();
  }
  return true;
}

void Storm(World& world, std::uint64_t steps) {
  for (std::uint64_t i = 0; i < steps && !world.env().findings.first(); ++i) world.Step();
}

void Calm(World& world) {
  world.BecomeCalm();
  const Duration limit = world.TimeToQuiet();
  if (!StepUntil(world, limit, [&] { return world.Quiet(); })) world.ReportUnrest();
}

void ProbeClusters(World& world) {
  StepUntil(world, world.TimeToRest(), [] { return false; });
  world.RestoreClusters();
  for (std::size_t cluster = 0; cluster < world.clusters(); ++cluster) {
    if (world.env().findings.first()) return;
    const std::string id = world.Probe(cluster);
    if (id.empty()) continue;  // a queue of size 0 rejects
    StepUntil(world, minutes(5), [&] { return world.Quiet(); });
    world.env().findings.Expect(
        world.EndOf(id) == ingest::FinalStatus::kSuccess, Invariant::kEverythingEnds, [&] {
          const auto end = world.EndOf(id);
          return id + ", a probe, ended as " + std::string(end ? ToString(*end) : "nothing");
        });
  }
}

void Desert(World& world) {
  if (world.env().findings.first()) return;
  world.Depart();
  const Duration limit = world.TimeToQuiet();
  for (std::size_t cluster = 0; cluster < world.clusters(); ++cluster) world.Probe(cluster);
  const bool deserted = StepUntil(world, limit, [&] { return world.Deserted(); });
  world.env().findings.Expect(deserted, Invariant::kNothingLeft, [] {
    return std::string("without executors, an executor or a queued incident remains");
  });
}

}  // namespace

HistoryReport RunHistory(const HistoryOptions& options) {
  World world(options.seed, options.trace, options.wall_clock_jumps);
  Storm(world, options.steps);
  if (!world.env().findings.first()) Calm(world);
  ProbeClusters(world);
  Desert(world);
  const Environment& env = world.env();
  return {env.findings.first(), env.trace.step(), env.Now() - kBeginning.mono, env.trace.hash(),
          env.transitions};
}

}  // namespace runner::sim
