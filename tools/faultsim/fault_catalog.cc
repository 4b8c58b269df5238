#include "tools/faultsim/fault_catalog.h"

#include <array>

namespace runner::faultsim {
namespace {

constexpr Scenario kScenarios[] = {
    {"CrashLoop", Severity::kCritical, ObjectKind::kPod,
     "back-off restarting failed container {container} in pod {name}, restart count {n}\n"
     "panic: runtime error: invalid memory address or nil pointer dereference\n"
     "[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x6f2c1a]\n\n"
     "goroutine 1 [running]:\n"
     "main.(*Server).loadConfig(0x0, {0xc0001a4000, 0x1c})\n"
     "\t/src/{app}/server.go:118 +0x3a\n"
     "main.main()\n"
     "\t/src/{app}/main.go:41 +0x1f5\n"
     "exit status 2\n"},
    {"CrashLoop", Severity::kCritical, ObjectKind::kPod,
     "back-off restarting failed container {container} in pod {name}, restart count {n}\n"
     "Traceback (most recent call last):\n"
     "  File \"/app/{app}/__main__.py\", line 12, in <module>\n"
     "    settings = load_settings(os.environ[\"DATABASE_URL\"])\n"
     "KeyError: 'DATABASE_URL'\n"},
    {"CrashLoop", Severity::kWarning, ObjectKind::kPod,
     "Liveness probe failed: Get \"http://10.42.3.{n}:8080/healthz\": context deadline exceeded "
     "(Client.Timeout exceeded while awaiting headers)\n"
     "Container {container} failed liveness probe, will be restarted\n"},
    {"PodCrash", Severity::kCritical, ObjectKind::kPod,
     "OOMKilled: container \"{container}\" exceeded its memory limit of 512Mi (exit code 137)\n"},
    {"PodCrash", Severity::kCritical, ObjectKind::kPod,
     "container {container} terminated with exit code 3\n"
     "java.lang.OutOfMemoryError: Java heap space\n"
     "Dumping heap to /dumps/{name}.hprof ...\n"
     "\tat java.base/java.util.Arrays.copyOf(Arrays.java:3537)\n"
     "\tat com.example.reports.ReportBuilder.append(ReportBuilder.java:212)\n"
     "\tat com.example.reports.Worker.run(Worker.java:{n})\n"},
    {"PodCrash", Severity::kWarning, ObjectKind::kPod,
     "Failed to pull image \"registry.example.com/{app}:1.{n}.0\": rpc error: code = NotFound desc "
     "= "
     "failed to resolve reference: not found\nError: ImagePullBackOff\n"},
    {"PodCrash", Severity::kWarning, ObjectKind::kPod,
     "Readiness probe failed: dial tcp 10.42.7.{n}:8080: connect: connection refused\n"
     "container {container} exited with code 1: lost connection to "
     "{app}-db.{namespace}.svc:5432\n"},
    {"NodeUnhealthy", Severity::kCritical, ObjectKind::kNode,
     "Ready=False KubeletNotReady: PLEG is not healthy: pleg was last seen active 3m{n}s ago; "
     "threshold is 3m0s\n"},
    {"NodeUnhealthy", Severity::kCritical, ObjectKind::kNode,
     "Ready=Unknown NodeStatusUnknown: Kubelet stopped posting node status.\n"},
    {"NodeUnhealthy", Severity::kWarning, ObjectKind::kNode,
     "MemoryPressure=True KubeletHasInsufficientMemory: kubelet has insufficient memory available\n"
     "DiskPressure=False KubeletHasNoDiskPressure\n"},
    {"DeploymentFailure", Severity::kWarning, ObjectKind::kDeployment,
     "ProgressDeadlineExceeded: ReplicaSet \"{app}-6d5f7c9b8\" has timed out progressing.\n"
     "1 of {n} updated replicas available\n"},
    {"DeploymentFailure", Severity::kCritical, ObjectKind::kDeployment,
     "MinimumReplicasUnavailable: Deployment does not have minimum availability.\n"
     "ReplicaFailure=True FailedCreate: pods \"{app}-\" is forbidden: exceeded quota: compute, "
     "requested: limits.memory=2Gi, used: limits.memory={n}Gi, limited: limits.memory={n}Gi\n"},
    {"DeploymentFailure", Severity::kInfo, ObjectKind::kDeployment,
     "Progressing=Unknown DeploymentPaused: Deployment is paused\n"},
    {"JobFailure", Severity::kWarning, ObjectKind::kJob,
     "BackoffLimitExceeded: Job has reached the specified backoff limit\n"
     "last pod log of container {container}:\n"
     "psycopg2.OperationalError: could not translate host name \"{app}-db\" to address\n"},
    {"JobFailure", Severity::kWarning, ObjectKind::kJob,
     "DeadlineExceeded: Job was active longer than specified deadline ({n}m)\n"},
};

constexpr Workload kWorkloads[] = {
    {"shop", "checkout", "checkout"},         {"shop", "cart", "cart"},
    {"shop", "catalog-search", "search"},     {"payments", "payments-api", "api"},
    {"payments", "fraud-scorer", "scorer"},   {"identity", "login", "login"},
    {"identity", "session-store", "redis"},   {"logistics", "route-planner", "planner"},
    {"analytics", "clickstream", "consumer"}, {"media", "thumbnailer", "worker"},
};

constexpr Workload kBatchWorkloads[] = {
    {"batch", "nightly-export", "export"},
    {"batch", "invoice-run", "invoices"},
    {"analytics", "sessionize", "spark"},
    {"identity", "key-rotation", "rotate"},
};

}  // namespace

std::span<const Scenario> Scenarios() { return kScenarios; }
std::span<const Workload> Workloads() { return kWorkloads; }
std::span<const Workload> BatchWorkloads() { return kBatchWorkloads; }

}  // namespace runner::faultsim
