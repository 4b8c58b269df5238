#include "common/config/option_catalog.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "common/base/values.h"

namespace runner {
namespace {

struct Group {
  std::optional<Program> owner;  // nothing: both programs
  const char* heading;
  std::vector<OptionSpec> options;
};

constexpr Program kIngest = Program::kIngest;
constexpr Program kExecutor = Program::kExecutor;

std::vector<Group> IngestGroups() {
  return {
      {kIngest,
       "MCP server",
       {
           {.flag = "--mcp-endpoint",
            .env = {"K8S_CLUSTER_MCP_ENDPOINT"},
            .help = "URL of the MCP server, such as http://host:8080/mcp; for several servers, "
                    "list clusters in the configuration file"},
           {.flag = "--cluster-name",
            .env = {"CLUSTER_NAME"},
            .default_text = "default",
            .help = "name of the cluster of --mcp-endpoint in metrics, logs and incidents; a DNS "
                    "label"},
           {.flag = "--mcp-mode",
            .env = {"MCP_MODE"},
            .default_text = "auto",
            .help = "source of events: fault notifications (faults), Kubernetes events (events) "
                    "or polling (poll); auto selects faults if the server has them, else poll"},
           {.flag = "--mcp-transport",
            .env = {"MCP_TRANSPORT"},
            .default_text = "auto",
            .help = "MCP transport; auto selects Streamable HTTP, or HTTP with SSE if the server "
                    "rejects it"},
           {.flag = "--mcp-token-file",
            .env = {"MCP_TOKEN_FILE"},
            .help = "file with the bearer token for the MCP server; read again after a change"},
           {.flag = "--sse-reconnect-initial-delay",
            .env = {"SSE_RECONNECT_INITIAL_DELAY_SECONDS"},
            .default_text = "1s",
            .help = "delay before the first reconnect; doubles with each failure"},
           {.flag = "--sse-reconnect-max-delay",
            .env = {"SSE_RECONNECT_MAX_DELAY_SECONDS"},
            .default_text = "1m",
            .help = "longest delay between two reconnects"},
       }},
      {kIngest,
       "Streams and polling",
       {
           {.flag = "--sse-ping-interval",
            .env = {"SSE_PING_INTERVAL_SECONDS"},
            .default_text = "30s",
            .help = "silence on a stream after which its subscription is verified"},
           {.flag = "--sse-idle-timeout",
            .env = {"SSE_IDLE_TIMEOUT_SECONDS"},
            .default_text = "1m30s",
            .help = "silence after which a stream that has sent keepalive comments is closed"},
           {.flag = "--sse-max-stream-age",
            .env = {"SSE_MAX_STREAM_AGE_SECONDS"},
            .default_text = "30m",
            .help = "age at which a stream without keepalive comments is reopened; 0 disables it"},
           {.flag = "--poll-interval",
            .env = {"POLL_INTERVAL_SECONDS"},
            .default_text = "30s",
            .help = "interval between two polls of a server that does not push events"},
           {.flag = "--list-timeout",
            .env = {"LIST_TIMEOUT_SECONDS"},
            .default_text = "1m",
            .help = "time limit of an events_list request"},
           {.flag = "--backfill",
            .env = {"BACKFILL"},
            .default_text = "true",
            .help = "after a gap in a subscription, request the events that occurred in the gap"},
       }},
      {kIngest,
       "Filter and deduplication",
       {
           {.flag = "--severity-threshold",
            .env = {"SEVERITY_THRESHOLD"},
            .default_text = "warning",
            .help = "lowest severity that is investigated"},
           {.flag = "--dedup-window",
            .env = {"DEDUP_WINDOW_SECONDS"},
            .default_text = "5m",
            .help = "time after an investigation during which equal events are duplicates; triples "
                    "with each investigation; 0 disables deduplication"},
           {.flag = "--dedup-window-max",
            .env = {"DEDUP_WINDOW_MAX_SECONDS"},
            .default_text = "4h",
            .help = "upper limit of the growing deduplication window"},
           {.flag = "--dedup-key",
            .env = {"DEDUP_KEY"},
            .default_text = "resource",
            .help = "what makes two events equal: their Kubernetes object (resource) or their "
                    "fault id (fault)"},
       }},
      {kIngest,
       "Queues",
       {
           {.flag = "--max-queue-age",
            .env = {"MAX_QUEUE_AGE_SECONDS"},
            .default_text = "10m",
            .help = "age at which an incident in a queue expires"},
           {.flag = "--queue-sweep-interval",
            .env = {"QUEUE_SWEEP_INTERVAL_SECONDS"},
            .default_text = "1m",
            .help = "interval at which expired incidents are removed from the queues"},
           {.flag = "--cluster-queue-size",
            .env = {"CLUSTER_QUEUE_SIZE"},
            .default_text = "100",
            .help = "incidents that may wait in the queue of one cluster"},
           {.flag = "--global-queue-size",
            .env = {"GLOBAL_QUEUE_SIZE"},
            .default_text = "1000",
            .help = "incidents that may wait in all queues together"},
           {.flag = "--queue-overflow-policy",
            .env = {"QUEUE_OVERFLOW_POLICY"},
            .default_text = "drop-oldest",
            .help = "incident that a full queue drops: the oldest of the lowest priority "
                    "(drop-oldest, drop) or the new one (reject-newest, reject)"},
       }},
      {kIngest,
       "Agents",
       {
           {.flag = "--max-concurrent-agents",
            .env = {"MAX_CONCURRENT_AGENTS"},
            .default_text = "5",
            .help = "agents that may run at once"},
           {.flag = "--max-agents-per-cluster",
            .env = {"MAX_AGENTS_PER_CLUSTER"},
            .default_text = "1",
            .help = "agents that may run at once for one cluster"},
           {.flag = "--max-runs-per-hour",
            .env = {"MAX_RUNS_PER_HOUR"},
            .default_text = "0",
            .help = "runs that may start within one hour; 0 disables the limit"},
           {.flag = "--max-attempts",
            .env = {"MAX_ATTEMPTS"},
            .default_text = "3",
            .help = "started attempts that may be lost before an incident fails"},
           {.flag = "--lease-ttl",
            .env = {"LEASE_TTL_SECONDS"},
            .default_text = "1m",
            .help = "time without a keep-alive after which an executor is detached, and time "
                    "detached after which its incidents are queued again"},
       }},
      {kIngest,
       "Circuit breaker",
       {
           {.flag = "--circuit-breaker-threshold",
            .env = {"CIRCUIT_BREAKER_THRESHOLD"},
            .default_text = "3",
            .help = "consecutive agent failures that open the circuit breaker; 0 disables it"},
           {.flag = "--circuit-breaker-cooldown",
            .env = {"CIRCUIT_BREAKER_COOLDOWN_SECONDS"},
            .default_text = "1m",
            .help = "time for which the circuit breaker stays open before one agent is tried"},
           {.flag = "--circuit-breaker-policy",
            .env = {"CIRCUIT_BREAKER_POLICY"},
            .default_text = "drop",
            .help = "what happens to events while the circuit breaker is open: they are dropped "
                    "(drop) or queued (hold)"},
       }},
      {kIngest,
       "Logs, metrics and health",
       {
           {.flag = "--metrics-per-cluster",
            .env = {"METRICS_PER_CLUSTER"},
            .default_text = "true",
            .help = "export metrics for each cluster; false exports sums with cluster=\"all\""},
       }},
  };
}

std::vector<Group> ExecutorGroups() {
  return {
      {kExecutor,
       "Ingest",
       {
           {.flag = "--ingest-address",
            .env = {"INGEST_ADDRESS"},
            .default_text = "127.0.0.1:50051",
            .help = "gRPC address of runner-ingest"},
           {.flag = "--slots",
            .env = {"EXECUTOR_SLOTS"},
            .default_text = "5",
            .help = "agents that may run at once on this executor"},
           {.flag = "--executor-id",
            .env = {"EXECUTOR_ID"},
            .help = "name of this executor, unique among the executors of one ingest; 1 to 253 "
                    "bytes",
            .default_help = "host name"},
           {.flag = "--sidecar",
            .env = {"EXECUTOR_SIDECAR"},
            .help = "drain together with ingest",
            .default_help = "true if ingest is at a loopback address or a Unix socket"},
       }},
      {kExecutor,
       "Agent",
       {
           {.flag = "--agent-command",
            .env = {"AGENT_COMMAND"},
            .help = "command line of the agent, split as by a shell; `-- COMMAND...` is the same, "
                    "word by word"},
           {.flag = "--agent-timeout",
            .env = {"AGENT_TIMEOUT_SECONDS", "AGENT_TIMEOUT"},
            .default_text = "5m",
            .help = "time limit of a run"},
           {.flag = "--agent-kill-grace",
            .env = {"AGENT_KILL_GRACE_SECONDS"},
            .default_text = "5s",
            .help = "time between SIGTERM and SIGKILL"},
           {.flag = "--agent-max-output",
            .env = {"AGENT_MAX_OUTPUT_BYTES"},
            .default_text = "10MiB",
            .help = "output that is kept of the stdout and of the stderr of an agent"},
           {.flag = "--agent-memory-limit",
            .env = {"AGENT_MEMORY_LIMIT_BYTES"},
            .default_text = "0",
            .help = "resident memory of all processes of a run together; 0 disables the limit"},
           {.flag = "--agent-workspace-limit",
            .env = {"AGENT_WORKSPACE_LIMIT_BYTES"},
            .default_text = "0",
            .help = "size of the workspace of a run; 0 disables the limit"},
           {.flag = "--agent-stdin",
            .env = {"AGENT_STDIN"},
            .default_text = "incident",
            .help = "stdin of the agent: incident.json (incident) or /dev/null (null)"},
           {.flag = "--agent-env",
            .env = {"AGENT_ENV"},
            .help = "environment variable for the agent: NAME passes it on, NAME=VALUE sets it; "
                    "repeatable, comma-separated in the environment",
            .secret = true},
       }},
      {kExecutor,
       "Reports and workspaces",
       {
           {.flag = "--report-file",
            .env = {"REPORT_FILE"},
            .help = "report that a run must write, relative to its workspace"},
           {.flag = "--report-min-bytes",
            .env = {"REPORT_MIN_BYTES"},
            .default_text = "100",
            .help = "smallest size of the report"},
           {.flag = "--workspace-root",
            .env = {"WORKSPACE_ROOT"},
            .default_text = "./incidents",
            .help = "directory of the workspaces, one for each incident"},
           {.flag = "--workspace-max-age",
            .env = {"WORKSPACE_MAX_AGE_SECONDS"},
            .default_text = "7d",
            .help = "age at which a finished workspace is removed; 0 disables the limit"},
           {.flag = "--workspace-max-bytes",
            .env = {"WORKSPACE_MAX_BYTES"},
            .default_text = "5GiB",
            .help = "size of all finished workspaces, beyond which the oldest are removed; 0 "
                    "disables the limit"},
           {.flag = "--kubeconfig-dir",
            .env = {"KUBECONFIG_DIR"},
            .help = "directory of <cluster>.yaml, which agents get as KUBECONFIG; a run for a "
                    "cluster without that file fails"},
           {.flag = "--kubeconfig-optional",
            .env = {"KUBECONFIG_OPTIONAL"},
            .default_text = "false",
            .help = "run agents also for clusters without a file in --kubeconfig-dir"},
       }},
  };
}

// The defaults of ports and addresses differ between the programs: DeclareCommonOptions sets them.
std::vector<Group> CommonGroups() {
  return {
      {std::nullopt,
       kGeneralGroup,
       {
           {.flag = "--config",
            .env = {"CONFIG_FILE"},
            .help = "YAML file; its keys are the names of these options with underscores instead "
                    "of dashes"},
           {.flag = "--shutdown-timeout",
            .env = {"SHUTDOWN_TIMEOUT_SECONDS"},
            .default_text = "30s",
            .help = "time limit of a drain, after which running agents are interrupted"},
       }},
      {std::nullopt,
       "Logs, metrics and health",
       {
           {.flag = "--log-level",
            .env = {"LOG_LEVEL"},
            .default_text = "info",
            .help = "lowest level that is logged"},
           {.flag = "--log-format",
            .env = {"LOG_FORMAT"},
            .default_text = "auto",
            .help = "format of the log; auto selects text if stderr is a terminal, else json"},
           {.flag = "--bind-address",
            .env = {"BIND_ADDRESS"},
            .default_text = "0.0.0.0",
            .help = "address of the metrics and health servers"},
           {.flag = "--metrics-port",
            .env = {"METRICS_PORT"},
            .help = "port of /metrics; 0 selects a free port"},
           {.flag = "--health-port",
            .env = {"HEALTH_PORT"},
            .help = "port of /healthz and /readyz; 0 selects a free port"},
       }},
      {std::nullopt,
       "gRPC",
       {
           {.flag = "--grpc-listen", .env = {"GRPC_LISTEN"}, .help = "address of the gRPC server"},
           {.flag = "--grpc-tls-cert",
            .env = {"GRPC_TLS_CERT"},
            .help = "PEM file with the certificate for gRPC; Unix sockets do not use it"},
           {.flag = "--grpc-tls-key",
            .env = {"GRPC_TLS_KEY"},
            .help = "PEM file with the key of --grpc-tls-cert"},
           {.flag = "--grpc-tls-ca",
            .env = {"GRPC_TLS_CA"},
            .help = "PEM file with the certificate authorities of gRPC peers"},
           {.flag = "--grpc-token-file",
            .env = {"GRPC_TOKEN_FILE"},
            .help = "file with a token that gRPC calls must send if they change something"},
           {.flag = "--grpc-insecure",
            .env = {"GRPC_INSECURE"},
            .default_text = "false",
            .help = "allow gRPC without TLS beyond loopback addresses and Unix sockets"},
       }},
  };
}

// The keys of a configuration file that are no options (ConfigTable::Block).
std::vector<std::string> BlocksOf(Program program) {
  return program == kIngest ? std::vector<std::string>{"clusters"} : std::vector<std::string>();
}

const std::vector<Group>& Groups() {
  static const std::vector<Group> groups = [] {
    std::vector<Group> all = CommonGroups();
    std::ranges::move(IngestGroups(), std::back_inserter(all));
    std::ranges::move(ExecutorGroups(), std::back_inserter(all));
    for (Group& group : all) {
      for (OptionSpec& spec : group.options) spec.group = group.heading;
    }
    return all;
  }();
  return groups;
}

}  // namespace

std::string_view SectionOf(Program program) {
  return program == Program::kIngest ? "ingest" : "executor";
}

OptionSpec SpecOf(std::string_view flag) {
  for (const Group& group : Groups()) {
    for (const OptionSpec& spec : group.options) {
      if (spec.flag == flag) return spec;
    }
  }
  throw std::logic_error("not in the catalog: " + std::string(flag));
}

std::vector<std::string> KeysOnlyOf(Program program) {
  std::vector<std::string> keys = BlocksOf(program);
  for (const Group& group : Groups()) {
    if (group.owner != program) continue;
    for (const OptionSpec& spec : group.options) keys.push_back(KeyOf(spec.flag));
  }
  return keys;
}

}  // namespace runner
