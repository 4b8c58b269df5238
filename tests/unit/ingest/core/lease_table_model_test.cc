// Compares LeaseTable with a linear model.

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "ingest/core/lease_table.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;

const LeaseLimits kLimits{.lease_ttl = seconds(20), .accept_timeout = seconds(10)};

class Model {
 public:
  struct Held {
    Lease lease;
    std::string executor;
    bool running = false;
    MonoTime since;
  };
  struct Executor {
    std::string id;
    std::optional<StreamId> stream;
    MonoTime away_since;
    std::uint32_t slots = 0;
    std::uint64_t credits = 0, offers = 0;
    bool draining = false;
  };

  Executor& Of(const std::string& id) {
    for (Executor& executor : executors) {
      if (executor.id == id) return executor;
    }
    Executor& added = executors.emplace_back();
    added.id = id;
    return added;
  }
  Executor* OfStream(StreamId stream) {
    for (Executor& executor : executors) {
      if (executor.stream == stream) return &executor;
    }
    return nullptr;
  }
  std::size_t LeasesOf(const std::string& id) const {
    return static_cast<std::size_t>(
        std::count_if(held.begin(), held.end(), [&](const Held& h) { return h.executor == id; }));
  }
  std::size_t Free(const Executor& executor) const {
    const std::size_t leases = LeasesOf(executor.id);
    if (!executor.stream || executor.draining || leases >= executor.slots) return 0;
    if (executor.offers >= executor.credits) return 0;
    return std::min<std::size_t>(executor.credits - executor.offers, executor.slots - leases);
  }
  std::set<Lease> ExpiredBy(MonoTime now) {
    std::set<Lease> lost;
    for (const Held& one : held) {
      const Executor& executor = Of(one.executor);
      const bool late = executor.stream ? !one.running && now - one.since >= kLimits.accept_timeout
                                        : now - executor.away_since >= kLimits.lease_ttl;
      if (late) lost.insert(one.lease);
    }
    return lost;
  }

  std::vector<Held> held;
  std::vector<Executor> executors;
};

// Applies the same steps to the table and the model.
class Pair {
 public:
  void Attach(const std::string& id, std::uint32_t slots, bool lists_all) {
    Model::Executor& executor = model_.Of(id);
    dispatch::Hello hello;
    hello.executor_id = id;
    hello.slots = slots;
    std::set<Lease> kept;
    std::set<Lease> lost;
    for (Model::Held& one : model_.held) {
      if (one.executor != id) continue;
      const bool listed = lists_all || one.lease.attempt % 2 == 0;
      (listed ? kept : lost).insert(one.lease);
      if (!listed) continue;
      one.running = true;
      hello.running.push_back(one.lease);
    }
    hello.results_waiting.push_back({"nobody", 1});
    const auto attached = table_.Attach(++stream_, hello, now_);
    RC_ASSERT(std::set<Lease>(attached.kept.begin(), attached.kept.end()) == kept);
    RC_ASSERT(std::set<Lease>(attached.lost.begin(), attached.lost.end()) == lost);
    RC_ASSERT(attached.dropped == std::vector<Lease>{(Lease{"nobody", 1})});
    RC_ASSERT(attached.superseded == executor.stream.value_or(kNoStream));
    executor = {};
    executor.id = id;
    executor.stream = stream_;
    executor.slots = slots;
    for (const Lease& lease : lost) Release(lease);
  }
  void Detach(const std::string& id) {
    Model::Executor& executor = model_.Of(id);
    if (!executor.stream) return;
    table_.Detach(*executor.stream, now_);
    executor.stream.reset();
    executor.away_since = now_;
  }
  void Grant(const std::string& id, std::uint64_t total) {
    Model::Executor& executor = model_.Of(id);
    if (!executor.stream) return;
    table_.GrantCredits(*executor.stream, total);
    executor.credits = std::max(executor.credits, total);
  }
  void Offer() {
    const LeaseTable::Executor* free = table_.LeastLoaded();
    std::size_t most = 0;
    for (const auto& executor : model_.executors) most = std::max(most, model_.Free(executor));
    RC_ASSERT((free == nullptr) == (most == 0));
    if (free == nullptr) return;
    Model::Executor& executor = model_.Of(free->id);
    RC_ASSERT(model_.Free(executor) == most);
    const Lease lease{"i" + std::to_string(++last_), static_cast<std::uint32_t>(last_ % 3)};
    model_.held.push_back({lease, free->id, false, now_});
    ++executor.offers;
    table_.Offer(*free, lease, now_);
  }
  void AcceptOrRelease(std::size_t index, bool accept) {
    if (model_.held.empty()) return;
    Model::Held& one = model_.held[index % model_.held.size()];
    const auto stream = model_.Of(one.executor).stream;
    const bool current = stream && table_.Current(*stream, one.lease) != nullptr;
    RC_ASSERT(current == stream.has_value());
    RC_ASSERT(!stream || table_.Current(*stream, {one.lease.incident_id, 99}) == nullptr);
    RC_ASSERT(table_.Current(stream_ + 1, one.lease) == nullptr);
    if (!current) return;
    if (accept) {
      table_.Accept(one.lease);
      one.running = true;
    } else {
      Release(Lease(one.lease));
    }
  }
  void Pass(Duration time) {
    now_ += time;
    std::set<Lease> lost;
    for (const LeaseTable::ExpiredLease& one : table_.ExpiredBy(now_)) lost.insert(one.lease);
    RC_ASSERT(lost == model_.ExpiredBy(now_));
    for (const Lease& lease : lost) Release(lease);
    const auto next = table_.NextDeadline();
    for (const Model::Held& one : model_.held) {
      const Model::Executor& executor = model_.Of(one.executor);
      if (executor.stream && one.running) continue;
      RC_ASSERT(next.has_value());
    }
    // Idle detached executors have a deadline as well, at which they are removed.
    RC_ASSERT(!next || model_.ExpiredBy(*next - Duration(1)).empty());
    RC_ASSERT(table_.leases().size() == model_.held.size());
  }

 private:
  void Release(const Lease& lease) {
    table_.Release(lease.incident_id);
    std::erase_if(model_.held, [&](const auto& one) { return one.lease == lease; });
  }

  LeaseTable table_{kLimits};
  Model model_;
  MonoTime now_{std::chrono::hours(1)};
  StreamId stream_ = 0;
  int last_ = 0;
};

TEST(LeaseTableModel, AgreesWithALinearModel) {
  const bool holds = rc::check("table equals model", [] {
    Pair pair;
    const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
        rc::gen::tuple(rc::gen::inRange(0, 9), rc::gen::inRange(0, 3), rc::gen::inRange(0, 16)));
    for (const auto& [what, which, number] : steps) {
      const std::string id = "e" + std::to_string(which);
      if (what == 0) pair.Attach(id, static_cast<std::uint32_t>(number % 4 + 1), number % 3 != 0);
      if (what == 1) pair.Detach(id);
      if (what == 2) pair.Grant(id, static_cast<std::uint64_t>(number));
      if (what >= 3 && what <= 5) pair.Offer();
      if (what == 6) pair.AcceptOrRelease(static_cast<std::size_t>(number), true);
      if (what == 7) pair.AcceptOrRelease(static_cast<std::size_t>(number), false);
      if (what == 8) pair.Pass(seconds(number));
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace runner::ingest
