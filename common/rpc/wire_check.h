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

// The bounds of the dispatch protocol. Each message is checked before it is used: strings and lists
// have bounds in bytes and entries, durations have ranges, and ids must be lower-case UUIDs, since
// the executor names directories after them. gRPC bounds a message at 4 MiB.
namespace runner {

constexpr std::size_t kMaxExecutorId = 253;  // the length of a host name
constexpr std::size_t kMaxBootId = 64;
constexpr std::size_t kMaxVersion = 128;
constexpr std::size_t kMaxReason = 64;
constexpr std::size_t kMaxWorkspacePath = 4096;  // PATH_MAX
constexpr std::size_t kMaxSlots = 1000;          // upper bound of --slots
// A spool lists at most 10,000 results, and each slot may have a run.
constexpr std::size_t kMaxLeasesListed = 11'000;
// A quarter of the shortest --lease-ttl is 0.25 s.
constexpr Duration kMinKeepAliveInterval = std::chrono::milliseconds(100);
constexpr Duration kMaxKeepAliveInterval = std::chrono::hours(1);
constexpr Duration kMaxLeaseTtl = std::chrono::hours(24);  // upper bound of --lease-ttl

// The first field that breaks its bound, as "<field>: <what is wrong>; <what is expected>", or
// nothing. A message of an unknown kind breaks no bound. Any thread.
std::optional<std::string> WhyInvalid(const v1::ExecutorMessage& message);
std::optional<std::string> WhyInvalid(const v1::IngestMessage& message);

}  // namespace runner
