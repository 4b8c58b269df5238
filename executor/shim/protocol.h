#pragma once

#include <cstdint>
#include <type_traits>

#include "common/base/clock.h"
#include "executor/shim/record.h"

namespace runner::executor {

// The messages between the executor and one runner-shim, over the SOCK_SEQPACKET socket that the
// shim inherits as descriptor 3. One packet is one message, sent as raw bytes: both ends belong to
// one build. Change the magic number with any of these structs; a packet of another size or magic
// is ignored. End of file on the executor's side orders the shim to stop the agent, contain the
// run, write the record into the spool and exit.

inline constexpr int kShimControlFd = 3;
inline constexpr std::uint32_t kShimMagic = 0x52534834;

enum class ShimCommand : std::uint32_t {
  kStopCancelled = 1,    // SIGTERM, after the grace SIGKILL; ignored during a stop
  kStopInterrupted = 2,  // the same, recorded as interrupted
  kKill = 3,             // ends the grace of a stop at once; ignored without a stop
  kExtendLease = 4,      // moves the lease deadline to lease_deadline_ns
  kStopSignalled = 5,    // like kStopCancelled, recorded as signalled_executor
};

// Executor to shim.
struct ShimRequest {
  std::uint32_t magic = kShimMagic;
  ShimCommand command = ShimCommand::kStopCancelled;
  std::int64_t lease_deadline_ns = 0;  // monotonic clock, which both ends share
};

enum class ShimEvent : std::uint32_t {
  kStarted = 1,   // the agent runs: pid and started_at_ns are set
  kFinished = 2,  // the run is over or never started: record is set; the shim exits next
};

// Shim to executor.
struct ShimNotice {
  std::uint32_t magic = kShimMagic;
  ShimEvent event = ShimEvent::kStarted;
  std::int32_t pid = 0;
  std::int64_t started_at_ns = 0;
  ShimRecord record;
};

// Converts a time for the shim: nanoseconds of CLOCK_MONOTONIC.
inline std::int64_t ToMonotonicNs(MonoTime time) {
  return Duration(time.time_since_epoch()).count();
}

static_assert(std::is_trivially_copyable_v<ShimRequest>);
static_assert(std::is_trivially_copyable_v<ShimNotice>);

}  // namespace runner::executor
