#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>

#include "common/base/clock.h"
#include "common/domain/incident.h"
#include "tools/faultsim/fault_catalog.h"

namespace runner::faultsim {

// An endless sequence of plausible faults. The same cluster and seed give the same faults on every
// machine, except for the times. The first fault is critical; about one in eight is a recurrence of
// a recent one, with the same id. Not thread-safe.
class FaultGenerator {
 public:
  FaultGenerator(std::string cluster, std::uint64_t seed);

  // Returns a fault that begins at `now`.
  FaultEvent Next(WallTime now);

 private:
  FaultEvent Fresh();
  Resource MakeResource(ObjectKind kind, const Workload& workload);
  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }
  std::string Letters(std::size_t count);

  const std::string cluster_;
  std::mt19937_64 random_;
  std::deque<FaultEvent> recent_;
};

// Hex of the 64-bit FNV-1a hash of the fields that identify a fault.
std::string FaultId(const std::string& cluster, const std::string& fault_type,
                    const std::string& uid, const std::string& container);

}  // namespace runner::faultsim
