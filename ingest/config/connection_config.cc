#include "ingest/config/connection_config.h"

#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ingest/config/cluster_print.h"
#include "ingest/mcp/transport/endpoint_url.h"
#include "ingest/mcp/transport/proxy_environment.h"

namespace runner::ingest {
namespace {

constexpr const char* kDefaultCluster = "default";

// What holds for a cluster that does not say otherwise.
ClusterConfig Defaults(const IngestConfig& config) {
  ClusterConfig cluster;
  cluster.filter.severity_threshold = config.severity_threshold;
  cluster.access = config.access;
  return cluster;
}

template <typename E>
std::vector<std::pair<std::string, E>> Words(std::initializer_list<E> values) {
  std::vector<std::pair<std::string, E>> words;
  for (const E value : values) words.emplace_back(ToString(value), value);
  return words;
}

// How the subscription is watched, and what is asked for beside it.
void DeclareStreams(ConfigTable& table, IngestConfig* config) {
  constexpr DurationRange kRange{std::chrono::milliseconds(100), std::chrono::hours(24)};
  table
      .Seconds({.flag = "--sse-ping-interval",
                .env = {"SSE_PING_INTERVAL_SECONDS"},
                .default_text = "30",
                .help = "silence after which the subscription is checked"},
               kRange, &config->sse_ping_interval)
      .Seconds({.flag = "--sse-idle-timeout",
                .env = {"SSE_IDLE_TIMEOUT_SECONDS"},
                .default_text = "90",
                .help = "silence that ends a stream which has shown keepalive comments"},
               kRange, &config->sse_idle_timeout)
      .Seconds(
          {.flag = "--sse-max-stream-age",
           .env = {"SSE_MAX_STREAM_AGE_SECONDS"},
           .default_text = "1800",
           .help = "age at which a stream without keepalive comments is opened anew; 0: never"},
          {Duration::zero(), kRange.max}, &config->sse_max_stream_age)
      .Seconds({.flag = "--poll-interval",
                .env = {"POLL_INTERVAL_SECONDS"},
                .default_text = "30",
                .help = "how often events are asked for where they are not pushed"},
               kRange, &config->poll_interval)
      .Seconds({.flag = "--list-timeout",
                .env = {"LIST_TIMEOUT_SECONDS"},
                .default_text = "60",
                .help = "time limit for the answer of events_list"},
               kRange, &config->list_timeout)
      .Bool({.flag = "--backfill",
             .env = {"BACKFILL"},
             .default_text = "true",
             .help = "after a gap, ask for the events from inside it"},
            &config->backfill);
}

}  // namespace

void DeclareConnection(ConfigTable& table, IngestConfig* config) {
  table
      .Url({.flag = "--mcp-endpoint",
            .env = {"K8S_CLUSTER_MCP_ENDPOINT"},
            .help = "URL of the kubernetes-mcp-server, such as http://host:8080/mcp; for more than "
                    "one, list clusters in the file"},
           &config->mcp_endpoint)
      .String({.flag = "--cluster-name",
               .env = {"CLUSTER_NAME"},
               .default_text = kDefaultCluster,
               .help = "name of the cluster in metrics, logs and incidents"},
              &config->cluster_name)
      .Enum<SourceMode>(
          {.flag = "--mcp-mode",
           .env = {"MCP_MODE"},
           .default_text = "auto",
           .help = "where faults come from: the server's own, its events, or asking for events; "
                   "auto: its own, else asking"},
          Words({SourceMode::kAuto, SourceMode::kFaults, SourceMode::kEvents, SourceMode::kPoll}),
          &config->access.mode)
      .Enum<Transport>(
          {.flag = "--mcp-transport",
           .env = {"MCP_TRANSPORT"},
           .default_text = "auto",
           .help = "auto: Streamable HTTP, and where a server refuses that, HTTP with SSE"},
          Words({Transport::kAuto, Transport::kStreamableHttp, Transport::kSse}),
          &config->access.transport)
      .Path({.flag = "--mcp-token-file",
             .env = {"MCP_TOKEN_FILE"},
             .help = "file with a bearer token for the server; read again when it changes"},
            &config->access.token_file)
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
               &config->sse_reconnect_max_delay);
  DeclareStreams(table, config);
  table.Check({"--mcp-token-file"}, [config]() -> std::optional<std::string> {
    if (config->access.token_file.empty()) return std::nullopt;
    const auto wrong = ValidateTokenFile(config->access.token_file);
    return wrong ? std::optional("--mcp-token-file: " + *wrong) : std::nullopt;
  });
  table.Check({"--sse-reconnect-initial-delay", "--sse-reconnect-max-delay"},
              [config]() -> std::optional<std::string> {
                if (config->sse_reconnect_initial_delay <= config->sse_reconnect_max_delay) {
                  return std::nullopt;
                }
                return "--sse-reconnect-initial-delay: must not be longer than "
                       "--sse-reconnect-max-delay; lower it, or raise the other";
              });
}

// From where the clusters come: the file, or the options for a single one.
void DeclareClusters(ConfigTable& table, IngestConfig* config, const IngestConfig* defaults) {
  table.Block(
      "clusters",
      [config, defaults](const std::string& path, const YAML::Node& list,
                         std::vector<std::string>& problems) {
        config->clusters = ReadClusters(path, list, Defaults(*defaults), problems);
      },
      // The one of --mcp-endpoint is told by that.
      [config] {
        return config->mcp_endpoint.empty() ? PrintClusters(config->clusters) : std::string();
      });
  table.Check({"--mcp-endpoint"}, [config, defaults]() -> std::optional<std::string> {
    if (!config->clusters.empty()) {
      if (config->mcp_endpoint.empty()) return std::nullopt;
      return "--mcp-endpoint: not together with the clusters of the file; remove one of them";
    }
    if (config->mcp_endpoint.empty()) {
      return "--mcp-endpoint: is required and not set; set --mcp-endpoint or "
             "K8S_CLUSTER_MCP_ENDPOINT, or list clusters in the file of --config";
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
    if (config->mcp_endpoint.empty() && config->cluster_name != kDefaultCluster) {
      return "--cluster-name: names the cluster of --mcp-endpoint, not those of the file; remove "
             "it, "
             "or set the name of each cluster there";
    }
    const auto wrong = ValidateName(config->cluster_name);
    return wrong ? std::optional("--cluster-name: " + *wrong) : std::nullopt;
  });
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
