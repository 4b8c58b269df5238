#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "common/base/clock.h"

namespace runner::v1 {
class ExecutorMessage;
class IngestMessage;
}  // namespace runner::v1

// The bounds of the dispatch protocol. Each message is checked before it is used:
// every string and list has a bound in bytes or entries, lengths of time have a range, and ids are
// lower-case UUIDs, since the executor makes directories of them. gRPC bounds a message at 4 MiB.
namespace runner {

constexpr std::size_t kMaxExecutorId = 253;  // a host name
constexpr std::size_t kMaxBootId = 64;
constexpr std::size_t kMaxVersion = 128;
constexpr std::size_t kMaxReason = 64;
constexpr std::size_t kMaxWorkspacePath = 4096;  // PATH_MAX
constexpr std::size_t kMaxSlots = 1000;          // --slots
// A spool lists at most 10,000 results, and there may be a run in each slot.
constexpr std::size_t kMaxLeasesListed = 11'000;
// A quarter of the shortest --lease-ttl is 0.25 s.
constexpr Duration kMinKeepAliveInterval = std::chrono::milliseconds(100);
constexpr Duration kMaxKeepAliveInterval = std::chrono::hours(1);
constexpr Duration kMaxLeaseTtl = std::chrono::hours(24);  // --lease-ttl

// The first field that breaks its bound, as "<field>: <what is wrong>; <what is expected>", or
// nothing. A message of a kind that is not known breaks none. Any thread.
std::optional<std::string> WhyInvalid(const v1::ExecutorMessage& message);
std::optional<std::string> WhyInvalid(const v1::IngestMessage& message);

}  // namespace runner
