#include "ingest/mcp/protocol/known_reasons.h"

#include <array>

#include "ingest/mcp/protocol/cluster_event.h"

namespace runner::ingest {
namespace {

struct Row {
  std::string_view reason;
  std::string_view kind;  // of the object; empty: any
  KnownFault fault;
};

// Fault types and severities are those of a kubernetes-mcp-server that pushes faults. The reasons
// are those of Kubernetes 1.34 (pkg/kubelet/events, pkg/controller).
constexpr std::array<Row, 14> kRows = {{
    {"BackOff", "", {"CrashLoop", Severity::kCritical}},
    {"CrashLoopBackOff", "", {"CrashLoop", Severity::kCritical}},
    {"Failed", "Pod", {"PodCrash", Severity::kWarning}},
    {"OOMKilling", "", {"PodCrash", Severity::kWarning}},
    {"OOMKilled", "Pod", {"PodCrash", Severity::kWarning}},
    {"Error", "Pod", {"PodCrash", Severity::kWarning}},
    // About each pod of the node there is an event with the same reason.
    {"NodeNotReady", "Node", {"NodeUnhealthy", Severity::kCritical}},
    {"KubeletNotReady", "", {"NodeUnhealthy", Severity::kCritical}},
    {"ProgressDeadlineExceeded", "", {"DeploymentFailure", Severity::kCritical}},
    {"ReplicaSetCreateError", "", {"DeploymentFailure", Severity::kCritical}},
    {"FailedCreate", "Deployment", {"DeploymentFailure", Severity::kWarning}},
    {"FailedCreate", "ReplicaSet", {"DeploymentFailure", Severity::kWarning}},
    {"BackoffLimitExceeded", "", {"JobFailure", Severity::kCritical}},
    {"DeadlineExceeded", "", {"JobFailure", Severity::kWarning}},
}};

}  // namespace

std::optional<KnownFault> KnownFaultOf(const ClusterEvent& event) {
  // The kubelet has one reason for two waits; only a restart is a crash loop.
  if (event.reason == "BackOff" && event.message.starts_with("Back-off pulling image")) {
    return KnownFault{"ImagePullBackOff", Severity::kWarning, false};
  }
  for (const Row& row : kRows) {
    if (event.reason == row.reason && (row.kind.empty() || event.object.kind == row.kind)) {
      return row.fault;
    }
  }
  return std::nullopt;
}

}  // namespace runner::ingest
