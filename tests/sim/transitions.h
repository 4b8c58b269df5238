#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

namespace runner::sim {

// Every transition of the state machines of an incident, a lease, an event and the circuit breaker.
// Random histories must take each of them and no other.
struct Transition {
  std::string_view machine, from, to;
};
inline constexpr std::array kTransitions = std::to_array<Transition>({
    {"event", "received", "queued"},
    {"event", "received", "escalated"},
    {"event", "received", "rerun"},
    {"event", "received", "filtered"},
    {"event", "received", "dropped"},
    {"event", "received", "rejected"},
    {"incident", "", "queued"},
    {"incident", "queued", "offered"},
    {"incident", "queued", "expired"},
    {"incident", "queued", "evicted"},
    {"incident", "queued", "cancelled"},
    {"incident", "offered", "running"},
    {"incident", "offered", "queued"},
    {"incident", "running", "queued"},
    {"incident", "running", "success"},
    {"incident", "running", "failure"},
    {"incident", "running", "timeout"},
    {"incident", "running", "cancelled"},
    {"incident", "offered", "cancelled"},
    {"incident", "running", "attempts exhausted"},
    {"incident", "offered", "attempts exhausted"},
    {"incident", "restored", "queued"},
    {"incident", "restored", "offered"},
    {"incident", "restored", "running"},
    {"lease", "", "offered"},
    {"lease", "offered", "running"},
    {"lease", "offered", "suspended"},
    {"lease", "offered", "lost"},
    {"lease", "running", "suspended"},
    {"lease", "running", "ended"},
    {"lease", "running", "lost"},
    {"lease", "suspended", "running"},
    {"lease", "suspended", "lost"},
    {"lease", "restored", "suspended"},
    {"breaker", "closed", "open"},
    {"breaker", "open", "half-open"},
    {"breaker", "open", "closed"},
    {"breaker", "half-open", "closed"},
    {"breaker", "half-open", "open"},
});

// Counts the transitions of each state machine.
class Transitions {
 public:
  // Words must have static storage.
  void Count(std::string_view machine, std::string_view from, std::string_view to,
             std::string_view cause = "") {
    ++counts_[{machine, from, to, cause}];
  }
  void Add(const Transitions& other) {
    for (const auto& [transition, count] : other.counts_) counts_[transition] += count;
  }
  // Describes transitions of kTransitions that were taken less often than `least`, and transitions
  // that are not listed. Empty if there are none.
  std::string Against(std::uint64_t least) const {
    std::map<std::tuple<std::string_view, std::string_view, std::string_view>, std::uint64_t> sums;
    std::set<std::string_view> machines;
    for (const auto& [machine, from, to] : kTransitions) {
      sums[{machine, from, to}] = 0;
      machines.insert(machine);
    }
    std::string wrong;
    for (const auto& [transition, count] : counts_) {
      const auto& [machine, from, to, cause] = transition;
      if (!machines.contains(machine)) continue;
      const auto sum = sums.find({machine, from, to});
      if (sum == sums.end()) wrong += Text(machine, from, to) + " is not listed\n";
      if (sum != sums.end()) sum->second += count;
    }
    for (const auto& [transition, count] : sums) {
      if (count >= least) continue;
      const auto& [machine, from, to] = transition;
      wrong += Text(machine, from, to) + " was taken " + std::to_string(count) + " times only\n";
    }
    return wrong;
  }
  // Returns a Markdown table.
  std::string Table() const {
    std::string table = "| machine | from | to | by | taken |\n|---|---|---|---|---:|\n";
    for (const auto& [transition, count] : counts_) {
      const auto& [machine, from, to, cause] = transition;
      for (const std::string_view word : {machine, from, to, cause}) {
        table += "| ";
        table += word;
        table += ' ';
      }
      table += "| " + std::to_string(count) + " |\n";
    }
    return table;
  }

 private:
  static std::string Text(std::string_view machine, std::string_view from, std::string_view to) {
    return std::string(machine) + ": " + std::string(from) + " -> " + std::string(to);
  }

  using Key = std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;
  std::map<Key, std::uint64_t> counts_;
};

}  // namespace runner::sim
