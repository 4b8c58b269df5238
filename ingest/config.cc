#include "ingest/config.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "common/config_values.h"

namespace runner::ingest {
namespace {

// A label of RFC 1123: it becomes a metrics label and part of file names.
bool IsDnsLabel(std::string_view text) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return alnum(c) || c == '-'; });
}

bool IsHttpUrl(std::string_view text) {
  return (text.starts_with("http://") && text.size() > 7) ||
         (text.starts_with("https://") && text.size() > 8);
}

bool HasCredentials(std::string_view url) {
  const auto scheme = url.find("://");
  const std::string_view rest = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#")).find('@') != std::string_view::npos;
}

void DeclareConnection(ConfigTable& table, IngestConfig* config) {
  table
      .String({.flag = "--mcp-endpoint",
               .env = {"K8S_CLUSTER_MCP_ENDPOINT"},
               .help = "URL of the kubernetes-mcp-server, such as http://host:8080/mcp",
               .required = true},
              &config->mcp_endpoint)
      .String({.flag = "--cluster-name",
               .env = {"CLUSTER_NAME"},
               .default_text = "default",
               .help = "name of the cluster in metrics, logs and incidents"},
              &config->cluster_name)
      .Word({.flag = "--mcp-mode",
             .env = {"MCP_MODE"},
             .default_text = "auto",
             .help = "what to subscribe to; auto is the same as faults"},
            {"auto", "faults"}, &config->mcp_mode)
      .Seconds({.flag = "--sse-reconnect-initial-delay",
                .env = {"SSE_RECONNECT_INITIAL_DELAY_SECONDS"},
                .default_text = "1",
                .help = "delay before the first attempt to reconnect; doubles each time"},
               {std::chrono::milliseconds(1), std::chrono::hours(24)},
               &config->sse_reconnect_initial_delay)
      .Seconds({.flag = "--sse-reconnect-max-delay",
                .env = {"SSE_RECONNECT_MAX_DELAY_SECONDS"},
                .default_text = "60",
                .help = "longest delay between two attempts"},
               {std::chrono::milliseconds(1), std::chrono::hours(24)},
               &config->sse_reconnect_max_delay)
      .Seconds({.flag = "--sse-ping-interval",
                .env = {"SSE_PING_INTERVAL_SECONDS"},
                .default_text = "30",
                .help = "silence after which the subscription is checked"},
               {std::chrono::milliseconds(100), std::chrono::hours(24)},
               &config->sse_ping_interval);
  table.Check({"--mcp-endpoint"}, [config]() -> std::optional<std::string> {
    // A password would be shown wherever the endpoint is.
    if (HasCredentials(config->mcp_endpoint)) {
      return "--mcp-endpoint: a user name or password in the URL is not taken";
    }
    if (IsHttpUrl(config->mcp_endpoint)) return std::nullopt;
    return "--mcp-endpoint: " + QuoteValue(config->mcp_endpoint) + " is not a URL of http or https";
  });
  table.Check({"--cluster-name"}, [config]() -> std::optional<std::string> {
    if (IsDnsLabel(config->cluster_name)) return std::nullopt;
    return "--cluster-name: " + QuoteValue(config->cluster_name) +
           " is not a DNS label (lower-case letters, digits, inner dashes, at most 63)";
  });
  table.Check({"--sse-reconnect-initial-delay", "--sse-reconnect-max-delay"},
              [config]() -> std::optional<std::string> {
                if (config->sse_reconnect_initial_delay <= config->sse_reconnect_max_delay) {
                  return std::nullopt;
                }
                return "--sse-reconnect-initial-delay: must not be longer than "
                       "--sse-reconnect-max-delay";
              });
}

void DeclareQueue(ConfigTable& table, IngestConfig* config) {
  constexpr DurationRange kPositive{std::chrono::milliseconds(1), std::chrono::hours(24 * 365)};
  table
      .SeverityLevel({.flag = "--severity-threshold",
                      .env = {"SEVERITY_THRESHOLD"},
                      .default_text = "warning",
                      .help = "least severity that is investigated"},
                     &config->severity_threshold)
      .Seconds({.flag = "--max-queue-age",
                .env = {"MAX_QUEUE_AGE_SECONDS"},
                .default_text = "600",
                .help = "an incident that has waited longer expires"},
               kPositive, &config->max_queue_age)
      .Seconds({.flag = "--queue-sweep-interval",
                .env = {"QUEUE_SWEEP_INTERVAL_SECONDS"},
                .default_text = "60",
                .help = "how often expired incidents are looked for"},
               kPositive, &config->queue_sweep_interval)
      .Integer({.flag = "--cluster-queue-size",
                .env = {"CLUSTER_QUEUE_SIZE"},
                .default_text = "100",
                .help = "incidents that may wait for one cluster"},
               1u, 1'000'000u, &config->cluster_queue_size)
      .Enum<OverflowPolicy>({.flag = "--queue-overflow-policy",
                             .env = {"QUEUE_OVERFLOW_POLICY"},
                             .default_text = "drop-oldest",
                             .help = "who goes when a queue is full"},
                            {{"drop-oldest", OverflowPolicy::kDropOldest},
                             {"drop", OverflowPolicy::kDropOldest},
                             {"reject-newest", OverflowPolicy::kRejectNewest},
                             {"reject", OverflowPolicy::kRejectNewest}},
                            &config->queue_overflow_policy);
}

void DeclareDispatch(ConfigTable& table, IngestConfig* config) {
  table
      .Integer({.flag = "--max-concurrent-agents",
                .env = {"MAX_CONCURRENT_AGENTS"},
                .default_text = "5",
                .help = "agents that may run at once"},
               1u, 10'000u, &config->max_concurrent_agents)
      .Integer({.flag = "--max-agents-per-cluster",
                .env = {"MAX_AGENTS_PER_CLUSTER"},
                .default_text = "1",
                .help = "agents that may run at once for one cluster"},
               1u, 10'000u, &config->max_agents_per_cluster)
      .Integer({.flag = "--max-attempts",
                .env = {"MAX_ATTEMPTS"},
                .default_text = "3",
                .help = "started attempts that may be lost before an incident fails"},
               1u, 100u, &config->max_attempts)
      .Seconds({.flag = "--lease-ttl",
                .env = {"LEASE_TTL_SECONDS"},
                .default_text = "60",
                .help = "how long an executor may be away before its incidents are queued again"},
               {std::chrono::seconds(1), std::chrono::hours(24)}, &config->lease_ttl);
}

}  // namespace

ConfigTable MakeConfigTable(IngestConfig* config) {
  ConfigTable table("runner-ingest",
                    "Hears faults from a kubernetes-mcp-server, queues them, and hands them to "
                    "executors.");
  DeclareConnection(table, config);
  DeclareQueue(table, config);
  DeclareDispatch(table, config);
  DeclareCommonOptions(table, {9090, 8080, "127.0.0.1:50051"}, &config->common);
  return table;
}

SchedulerOptions IngestConfig::Scheduling() const {
  SchedulerOptions options;
  options.clusters = {cluster_name};
  options.severity_threshold = severity_threshold;
  options.max_queue_age = max_queue_age;
  options.queue_sweep_interval = queue_sweep_interval;
  options.cluster_queue_size = cluster_queue_size;
  options.overflow_policy = queue_overflow_policy;
  options.max_concurrent_agents = max_concurrent_agents;
  options.max_agents_per_cluster = max_agents_per_cluster;
  options.max_attempts = max_attempts;
  options.leases.lease_ttl = lease_ttl;
  return options;
}

}  // namespace runner::ingest
