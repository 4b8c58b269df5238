#include "ingest/config/config.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ingest/config/cluster_list.h"
#include "ingest/mcp/transport/endpoint_url.h"
#include "ingest/mcp/transport/proxy_environment.h"

namespace runner::ingest {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr DurationRange kPositive{milliseconds(1), hours(24 * 365)};
constexpr DurationRange kUpToADay{milliseconds(1), hours(24)};
constexpr DurationRange kStream{milliseconds(100), hours(24)};

// The keys that a cluster does not set.
ClusterConfig Defaults(const IngestConfig& config) {
  ClusterConfig cluster;
  cluster.filter.severity_threshold = config.severity_threshold;
  cluster.access = config.access;
  return cluster;
}

void DeclareServer(ConfigTable& table, IngestConfig* config) {
  table.Add(UrlOption(SpecOf("--mcp-endpoint"), &config->mcp_endpoint))
      .Add(TextOption(SpecOf("--cluster-name"), &config->cluster_name))
      .Add(EnumOption(SpecOf("--mcp-mode"), SourceModeWords(), &config->access.mode))
      .Add(EnumOption(SpecOf("--mcp-transport"), TransportWords(), &config->access.transport))
      .Add(PathOption(SpecOf("--mcp-token-file"), &config->access.token_file))
      .Add(DurationOption(SpecOf("--sse-reconnect-initial-delay"), kUpToADay,
                          &config->sse_reconnect_initial_delay))
      .Add(DurationOption(SpecOf("--sse-reconnect-max-delay"), kUpToADay,
                          &config->sse_reconnect_max_delay))
      .Add(DurationOption(SpecOf("--sse-ping-interval"), kStream, &config->sse_ping_interval))
      .Add(DurationOption(SpecOf("--sse-idle-timeout"), kStream, &config->sse_idle_timeout))
      .Add(DurationOption(SpecOf("--sse-max-stream-age"), {Duration::zero(), kStream.max},
                          &config->sse_max_stream_age))
      .Add(DurationOption(SpecOf("--poll-interval"), kStream, &config->poll_interval))
      .Add(DurationOption(SpecOf("--list-timeout"), kStream, &config->list_timeout))
      .Add(SwitchOption(SpecOf("--backfill"), &config->backfill));
  table.Check({"--mcp-token-file"}, [config]() -> std::optional<std::string> {
    if (config->access.token_file.empty()) return std::nullopt;
    const auto wrong = ValidateTokenFile(config->access.token_file);
    return wrong ? std::optional("--mcp-token-file: " + *wrong) : std::nullopt;
  });
  table.Check(
      {"--sse-reconnect-initial-delay", "--sse-reconnect-max-delay"},
      [config]() -> std::optional<std::string> {
        if (config->sse_reconnect_initial_delay <= config->sse_reconnect_max_delay) {
          return std::nullopt;
        }
        return "--sse-reconnect-initial-delay: longer than --sse-reconnect-max-delay; lower "
               "it, or raise --sse-reconnect-max-delay";
      });
}

void DeclareDedup(ConfigTable& table, IngestConfig* config) {
  table.Add(DurationOption(SpecOf("--dedup-window"), {}, &config->dedup_window))
      .Add(DurationOption(SpecOf("--dedup-window-max"), {}, &config->dedup_window_max))
      .Add(EnumOption<DedupKey>(SpecOf("--dedup-key"),
                                {{"resource", DedupKey::kResource}, {"fault", DedupKey::kFault}},
                                &config->dedup_key));
  table.Check({"--dedup-window", "--dedup-window-max"}, [config]() -> std::optional<std::string> {
    if (config->dedup_window <= config->dedup_window_max) return std::nullopt;
    return "--dedup-window: longer than --dedup-window-max; lower it, or raise --dedup-window-max";
  });
}

void DeclareQueues(ConfigTable& table, IngestConfig* config) {
  table.Add(SeverityOption(SpecOf("--severity-threshold"), &config->severity_threshold))
      .Add(DurationOption(SpecOf("--max-queue-age"), kPositive, &config->max_queue_age))
      .Add(DurationOption(SpecOf("--queue-sweep-interval"), kPositive,
                          &config->queue_sweep_interval))
      .Add(IntegerOption(SpecOf("--cluster-queue-size"), 1, 1'000'000, &config->cluster_queue_size))
      .Add(IntegerOption(SpecOf("--global-queue-size"), 1, 10'000'000, &config->global_queue_size))
      .Add(EnumOption<OverflowPolicy>(SpecOf("--queue-overflow-policy"),
                                      {{"drop-oldest", OverflowPolicy::kDropOldest},
                                       {"drop", OverflowPolicy::kDropOldest},
                                       {"reject-newest", OverflowPolicy::kRejectNewest},
                                       {"reject", OverflowPolicy::kRejectNewest}},
                                      &config->queue_overflow_policy));
}

void DeclareDispatch(ConfigTable& table, IngestConfig* config) {
  table
      .Add(IntegerOption(SpecOf("--max-concurrent-agents"), 1, 10'000,
                         &config->max_concurrent_agents))
      .Add(IntegerOption(SpecOf("--max-agents-per-cluster"), 1, 10'000,
                         &config->max_agents_per_cluster))
      .Add(IntegerOption(SpecOf("--max-runs-per-hour"), 0, 1'000'000, &config->max_runs_per_hour))
      .Add(IntegerOption(SpecOf("--max-attempts"), 1, 100, &config->max_attempts))
      .Add(DurationOption(SpecOf("--lease-ttl"), {seconds(1), hours(24)}, &config->lease_ttl))
      .Add(IntegerOption(SpecOf("--circuit-breaker-threshold"), 0, 1'000'000,
                         &config->circuit_breaker_threshold))
      .Add(DurationOption(SpecOf("--circuit-breaker-cooldown"), kUpToADay,
                          &config->circuit_breaker_cooldown))
      .Add(EnumOption<BreakerPolicy>(
          SpecOf("--circuit-breaker-policy"),
          {{"drop", BreakerPolicy::kDrop}, {"hold", BreakerPolicy::kHold}},
          &config->circuit_breaker_policy));
}

// The clusters come from the file, or from the options for a single cluster.
void DeclareClusters(ConfigTable& table, IngestConfig* config, const IngestConfig* defaults) {
  table.Block(
      "clusters",
      [config, defaults](const std::string& path, const YAML::Node& list,
                         std::vector<std::string>& problems) {
        config->clusters = ReadClusters(path, list, Defaults(*defaults), problems);
      },
      // --mcp-endpoint already shows the cluster that it sets.
      [config] {
        return config->mcp_endpoint.empty() ? PrintClusters(config->clusters) : std::string();
      });
  table.Check({"--mcp-endpoint"}, [config, defaults]() -> std::optional<std::string> {
    if (!config->clusters.empty()) {
      if (config->mcp_endpoint.empty()) return std::nullopt;
      return "--mcp-endpoint: set together with the clusters of the file; remove one of them";
    }
    if (config->mcp_endpoint.empty()) {
      return "--mcp-endpoint: is required and not set; set --mcp-endpoint or "
             "K8S_CLUSTER_MCP_ENDPOINT, or list clusters in the configuration file";
    }
    config->clusters = {Defaults(*defaults)};
    config->clusters[0].name = config->cluster_name;
    config->clusters[0].endpoint = config->mcp_endpoint;
    const auto wrong = ValidateEndpoint(config->mcp_endpoint);
    return wrong ? std::optional("--mcp-endpoint: " + *wrong) : std::nullopt;
  });
  table.Check({"--mcp-endpoint"}, [config]() -> std::optional<std::string> {
    const EnvironmentLookup environment = ProcessEnvironment();
    for (const ClusterConfig& cluster : config->clusters) {
      if (auto wrong = ValidateProxyFor(cluster.endpoint, environment)) return wrong;
    }
    return std::nullopt;
  });
  table.Check({"--cluster-name"}, [config]() -> std::optional<std::string> {
    if (config->mcp_endpoint.empty() &&
        config->cluster_name != SpecOf("--cluster-name").default_text) {
      return "--cluster-name: set without --mcp-endpoint; remove it, and set the name of each "
             "cluster in the file";
    }
    const auto wrong = ValidateName(config->cluster_name);
    return wrong ? std::optional("--cluster-name: " + *wrong) : std::nullopt;
  });
}

}  // namespace

ConfigTable MakeConfigTable(IngestConfig* config, const IngestConfig* running) {
  ConfigTable table("runner-ingest",
                    "Receives fault events from Kubernetes MCP servers, queues them as incidents, "
                    "and leases them to executors.");
  table.File(Program::kIngest);
  DeclareServer(table, config);
  DeclareDedup(table, config);
  DeclareQueues(table, config);
  DeclareDispatch(table, config);
  DeclareClusters(table, config, running != nullptr ? running : config);
  table.Add(SwitchOption(SpecOf("--metrics-per-cluster"), &config->metrics_per_cluster));
  DeclareCommonOptions(table, {9090, 8080, "127.0.0.1:50051"}, &config->common);
  return table;
}

SchedulerOptions IngestConfig::Scheduling() const {
  SchedulerOptions options;
  for (const ClusterConfig& cluster : clusters) {
    options.clusters.push_back({cluster.name, cluster.filter});
  }
  options.dedup_key = dedup_key;
  options.dedup.window = dedup_window;
  options.dedup.window_max = dedup_window_max;
  options.breaker = {circuit_breaker_threshold, circuit_breaker_cooldown};
  options.breaker_policy = circuit_breaker_policy;
  options.max_queue_age = max_queue_age;
  options.queue_sweep_interval = queue_sweep_interval;
  options.cluster_queue_size = cluster_queue_size;
  options.global_queue_size = global_queue_size;
  options.overflow_policy = queue_overflow_policy;
  options.max_concurrent_agents = max_concurrent_agents;
  options.max_agents_per_cluster = max_agents_per_cluster;
  options.max_runs_per_hour = max_runs_per_hour;
  options.max_attempts = max_attempts;
  options.leases.lease_ttl = lease_ttl;
  // Four keep-alives fit into a short time to live.
  options.leases.keep_alive_interval = std::min<Duration>(std::chrono::seconds(5), lease_ttl / 4);
  return options;
}

std::vector<ConnectionOptions> IngestConfig::Connections() const {
  std::vector<ConnectionOptions> connections;
  connections.reserve(clusters.size());
  for (const ClusterConfig& cluster : clusters) connections.push_back(ConnectionTo(cluster));
  return connections;
}

ConnectionOptions IngestConfig::ConnectionTo(const ClusterConfig& cluster) const {
  return {.cluster = cluster.name,
          .endpoint = cluster.endpoint,
          .mode = cluster.access.mode,
          .transport = cluster.access.transport,
          .token_file = cluster.access.token_file,
          .headers = cluster.access.headers,
          .tls = cluster.access.tls,
          .initial_delay = sse_reconnect_initial_delay,
          .max_delay = sse_reconnect_max_delay,
          .list_timeout = list_timeout,
          .ping_interval = sse_ping_interval,
          .idle_timeout = sse_idle_timeout,
          .max_stream_age = sse_max_stream_age,
          .poll_interval = poll_interval,
          .subscribe_tool = cluster.access.subscribe_tool,
          .events_tool = cluster.access.events_tool,
          .backfill = backfill};
}

}  // namespace runner::ingest
