#pragma once

#include <span>
#include <string_view>

#include "common/domain/incident.h"

namespace runner::faultsim {

// The faults of the simulated cluster and the texts that describe them.

enum class ObjectKind { kPod, kNode, kDeployment, kJob };

struct Scenario {
  std::string_view fault_type;
  Severity severity;
  ObjectKind kind;
  // The placeholders {app} {container} {namespace} {name} {n} (a small number) are replaced.
  std::string_view context;
};

struct Workload {
  std::string_view namespace_;
  std::string_view app;
  std::string_view container;
};

std::span<const Scenario> Scenarios();
std::span<const Workload> Workloads();       // for pods and deployments
std::span<const Workload> BatchWorkloads();  // for jobs

}  // namespace runner::faultsim
