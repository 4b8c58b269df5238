#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

namespace runner::sim {

// How often each transition of each state machine was taken.
class Transitions {
 public:
  // Words with static storage only.
  void Count(std::string_view machine, std::string_view from, std::string_view to,
             std::string_view cause) {
    ++counts_[{machine, from, to, cause}];
  }
  void Add(const Transitions& other) {
    for (const auto& [transition, count] : other.counts_) counts_[transition] += count;
  }
  // A Markdown table.
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
  using Key = std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;
  std::map<Key, std::uint64_t> counts_;
};

}  // namespace runner::sim
