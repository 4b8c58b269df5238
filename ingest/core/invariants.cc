#include "ingest/core/invariants.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <utility>

namespace runner::ingest {
namespace {

using Terms = std::initializer_list<std::pair<const char*, std::uint64_t>>;

template <typename Key>
std::uint64_t Sum(const CountsBy<Key>& words) {
  std::uint64_t sum = 0;
  for (const auto& [word, count] : words) sum += count;
  return sum;
}

std::uint64_t Sum(Terms terms) {
  std::uint64_t sum = 0;
  for (const auto& [name, value] : terms) sum += value;
  return sum;
}

std::string Text(Terms terms) {
  std::string text;
  for (const auto& [name, value] : terms) {
    text += (text.empty() ? "" : " + ") + std::string(name) + " " + std::to_string(value);
  }
  return text;
}

class Findings {
 public:
  explicit Findings(std::string cluster = {}) : cluster_(std::move(cluster)) {}

  void ExpectEqual(const char* name, Terms left, Terms right) {
    if (Sum(left) != Sum(right)) Add(name, Text(left) + " is not " + Text(right));
  }
  void ExpectAtMost(const char* name, std::uint64_t value, std::uint64_t limit) {
    if (value > limit) Add(name, std::to_string(value) + " of " + std::to_string(limit));
  }
  std::vector<BrokenInvariant> Take() { return std::move(found_); }

 private:
  void Add(const char* name, std::string detail) {
    found_.push_back({cluster_, name, std::move(detail)});
  }

  const std::string cluster_;
  std::vector<BrokenInvariant> found_;
};

}  // namespace

std::vector<BrokenInvariant> BrokenEquations(const Scheduler::ClusterView& cluster) {
  const ClusterCounters& c = cluster.counters;
  Findings findings(cluster.name);
  findings.ExpectEqual("received",
                       {{"received", std::accumulate(c.received.begin(), c.received.end(), 0ull)}},
                       {{"invalid", Sum(c.invalid)},
                        {"filtered", Sum(c.filtered)},
                        {"breaker_dropped", c.breaker_dropped},
                        {"rejected", c.rejected},
                        {"queued", c.queued}});
  findings.ExpectEqual("queue",
                       {{"restored", c.restored}, {"queued", c.queued}, {"requeued", c.requeued}},
                       {{"dequeued", c.dequeued},
                        {"expired", c.expired},
                        {"evicted", Sum(c.evicted)},
                        {"depth", cluster.depth}});
  findings.ExpectEqual(
      "incidents",
      {{"restored", c.restored}, {"leases_restored", c.leases_restored}, {"queued", c.queued}},
      {{"finished", Sum(c.finished)}, {"depth", cluster.depth}, {"leased", cluster.leased}});
  return findings.Take();
}

std::vector<BrokenInvariant> BrokenInvariants(const Scheduler& scheduler) {
  std::vector<BrokenInvariant> broken;
  const auto add = [&](Findings& findings) {
    for (BrokenInvariant& one : findings.Take()) broken.push_back(std::move(one));
  };
  // Leases from before a restart may exceed the current limits.
  std::uint64_t leased = 0;
  std::uint64_t restored = 0;
  for (ClusterIndex i = 0; i < scheduler.cluster_count(); ++i) {
    const Scheduler::ClusterView view = scheduler.View(i);
    const std::uint64_t earlier = view.counters.leases_restored;
    leased += view.leased;
    restored += earlier;
    for (BrokenInvariant& one : BrokenEquations(view)) broken.push_back(std::move(one));
    Findings findings(view.name);
    findings.ExpectAtMost(
        "max_agents_per_cluster", view.leased,
        std::max<std::uint64_t>(scheduler.options().max_agents_per_cluster, earlier));
    add(findings);
  }
  Findings findings;
  findings.ExpectEqual("leases", {{"leased", leased}},
                       {{"held", scheduler.leases().leases().size()}});
  findings.ExpectAtMost(
      "max_concurrent_agents", leased,
      std::max<std::uint64_t>(scheduler.options().max_concurrent_agents, restored));
  for (const auto& [id, executor] : scheduler.leases().executors()) {
    findings.ExpectAtMost("credits", executor.offers, executor.credits);
  }
  add(findings);
  return broken;
}

}  // namespace runner::ingest
