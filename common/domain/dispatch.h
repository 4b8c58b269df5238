#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/incident.h"

// The messages between ingest and its executors as plain values; proto/runner/v1/dispatch.proto
// documents them. Only the two ends of a stream convert them (common/rpc/wire.h).
namespace runner::dispatch {

// --- from an executor to ingest ---------------------------------------------------------------

struct Hello {
  std::string executor_id;
  std::string boot_id;
  std::string version;
  std::uint32_t slots = 0;
  bool sidecar = false;
  Duration stop_budget{};
  std::vector<Lease> running;
  std::vector<Lease> results_waiting;
};
struct Credits {
  std::uint64_t total = 0;
};
struct Accepted {
  Lease lease;
};
// Why an executor rejects an offer.
enum class RejectReason {
  kUnspecified,  // unknown to this version
  kDraining,
  kNoSlot,
  kEnded,  // the lease has already ended on this executor
  // the executor's lease deadline has passed: ingest may have leased the incident to another one
  kLate,
  kShortage,  // out of descriptors, processes, memory or disk
};
struct Rejected {
  Lease lease;
  RejectReason reason = RejectReason::kUnspecified;
};
struct Started {
  Lease lease;
  std::int64_t pid = 0;
  WallTime started_at;
};
struct Result {
  Lease lease;
  Outcome outcome;
};
struct KeepAlive {
  std::uint64_t seq = 0;
};
struct Draining {};

using ExecutorMessage =
    std::variant<Hello, Credits, Accepted, Rejected, Started, Result, KeepAlive, Draining>;

// --- from ingest to an executor ---------------------------------------------------------------

struct LeaseDecision {
  Lease lease;
  bool keep = false;
};
struct Welcome {
  std::string ingest_id;
  Duration keep_alive_interval{};  // zero: ingest expects no keep-alives
  Duration lease_ttl{};
  std::vector<LeaseDecision> decisions;
};
struct Offer {
  Lease lease;
  Incident incident;
};
struct KeepAliveAck {
  std::uint64_t seq = 0;
};
struct ResultAck {
  Lease lease;
  bool is_volatile = false;
};
// Why a run must be stopped.
enum class CancelReason {
  kUnspecified,  // unknown to this version
  kShutdown,     // ingest drains; the result is expected
  kCancelled,    // an operator cancelled the incident; the result is expected
  kStale,        // another attempt counts; the result is discarded
  kAcceptTimeout,
};
struct Cancel {
  Lease lease;
  CancelReason reason = CancelReason::kUnspecified;
};
struct Drain {};

using IngestMessage = std::variant<Welcome, Offer, KeepAliveAck, ResultAck, Cancel, Drain>;

// The words used on the wire and in the log; any other word becomes kUnspecified.
std::string_view ToString(RejectReason reason);
RejectReason ParseRejectReason(std::string_view word);
std::string_view ToString(CancelReason reason);
CancelReason ParseCancelReason(std::string_view word);

}  // namespace runner::dispatch
