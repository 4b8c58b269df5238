#include "common/config/option_names.h"

namespace runner {

std::vector<std::string> IngestOnlyKeys() {
  return {"mcp_endpoint",
          "cluster_name",
          "clusters",
          "mcp_mode",
          "mcp_transport",
          "mcp_token_file",
          "poll_interval",
          "backfill",
          "sse_reconnect_initial_delay",
          "sse_reconnect_max_delay",
          "sse_ping_interval",
          "sse_idle_timeout",
          "sse_max_stream_age",
          "severity_threshold",
          "dedup_window",
          "dedup_window_max",
          "dedup_key",
          "max_queue_age",
          "queue_sweep_interval",
          "cluster_queue_size",
          "global_queue_size",
          "queue_overflow_policy",
          "max_concurrent_agents",
          "max_agents_per_cluster",
          "max_runs_per_hour",
          "circuit_breaker_threshold",
          "circuit_breaker_cooldown",
          "circuit_breaker_policy",
          "max_attempts",
          "lease_ttl",
          "list_timeout",
          "metrics_per_cluster"};
}

std::vector<std::string> ExecutorOnlyKeys() {
  return {"ingest_address",        "slots",
          "executor_id",           "sidecar",
          "agent_command",         "agent_timeout",
          "agent_kill_grace",      "agent_max_output",
          "agent_stdin",           "agent_env",
          "report_file",           "report_min_bytes",
          "workspace_root",        "workspace_max_age",
          "workspace_max_bytes",   "agent_memory_limit",
          "agent_workspace_limit", "kubeconfig_dir",
          "kubeconfig_optional"};
}

}  // namespace runner
