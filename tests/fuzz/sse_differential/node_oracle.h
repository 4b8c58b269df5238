#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/base/unique_fd.h"

namespace runner::ingest {

// tests/peers/eventsource-oracle.mjs as a child process: takes batches of streams, answers with
// what npm's eventsource-parser makes of each. Not thread-safe.
class NodeOracle {
 public:
  // Why it cannot be started here; nothing when it can.
  static std::optional<std::string> Missing();

  // `seed` is that of the cuts which the oracle makes. Throws std::system_error.
  explicit NodeOracle(std::uint64_t seed);
  // Ends it.
  ~NodeOracle();
  NodeOracle(const NodeOracle&) = delete;
  NodeOracle& operator=(const NodeOracle&) = delete;

  // One answer for each stream, in the form that sse_differential.cc describes. Throws
  // std::runtime_error when the oracle has ended.
  void Send(const std::vector<std::string>& streams);
  std::vector<std::string> Receive();

 private:
  void ReadExactly(char* to, std::size_t size);

  pid_t pid_ = -1;
  UniqueFd to_child_;
  UniqueFd from_child_;
};

}  // namespace runner::ingest
