#pragma once

#include <span>
#include <string_view>

#include "common/domain/incident.h"

namespace runner::faultsim {

// What can break in the simulated cluster, and how it looks when it does.

enum class ObjectKind { kPod, kNode, kDeployment, kJob };

struct Scenario {
  std::string_view fault_type;
  Severity severity;
  ObjectKind kind;
  // {app} {container} {namespace} {name} {n} (a small number) are replaced.
  std::string_view context;
};

struct Workload {
  std::string_view namespace_;
  std::string_view app;
  std::string_view container;
};

std::span<const Scenario> Scenarios();
std::span<const Workload> Workloads();       // of pods and deployments
std::span<const Workload> BatchWorkloads();  // of jobs

}  // namespace runner::faultsim
