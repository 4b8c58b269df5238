#include <algorithm>
#include <csignal>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "common/base/descriptor_limit.h"
#include "common/base/heap.h"
#include "common/base/uuid.h"
#include "common/loop/signals.h"
#include "common/observability/build_info.h"
#include "common/observability/health.h"
#include "common/observability/http_server.h"
#include "common/observability/log_queue.h"
#include "common/observability/metrics.h"
#include "common/observability/process_metrics.h"
#include "common/rpc/grpc_endpoint.h"
#include "common/rpc/tls_credentials.h"
#include "common/rpc/token_auth.h"
#include "ingest/config/config.h"
#include "ingest/loop/ingest_loop.h"
#include "ingest/loop/metrics.h"
#include "ingest/mcp/transport/connection_thread.h"
#include "ingest/mcp/transport/mcp_session_factory.h"
#include "ingest/reload/config_reload.h"
#include "ingest/rpc/admin_service.h"
#include "ingest/rpc/dispatch_service.h"

namespace {

using namespace runner;
using namespace runner::ingest;
using namespace std::chrono_literals;

HealthCheck SubscriptionCheck(const IngestLoop& loop) {
  return {"mcp", [&loop]() -> std::optional<std::string> {
            if (loop.subscribed() > 0) return std::nullopt;
            return "no active SSE connections";
          }};
}

HealthCheck BreakerCheck(const IngestLoop& loop) {
  return {"breaker", [&loop]() -> std::optional<std::string> {
            if (!loop.breaker_open()) return std::nullopt;
            return "circuit breaker is open";
          }};
}

AdminService::Endpoints Endpoints(const std::vector<ClusterConfig>& clusters) {
  AdminService::Endpoints endpoints;
  for (const ClusterConfig& cluster : clusters) endpoints[cluster.name] = cluster.endpoint;
  return endpoints;
}

// Checks the thread of the connections. It ends first at a shutdown, so a drain disables the check.
HealthCheck ConnectionsCheck(const IngestLoop& loop, LoopProbe& probe) {
  HealthCheck check = LoopCheck("connections", probe);
  check.failure = [&loop, failure = check.failure]() -> std::optional<std::string> {
    return loop.draining() ? std::nullopt : failure();
  };
  return check;
}

// The names of the first 100 clusters: a log line is bounded.
std::vector<std::string> Names(const IngestConfig& config) {
  constexpr std::size_t kMax = 100;
  std::vector<std::string> names;
  names.reserve(std::min(kMax, config.clusters.size()));
  for (std::size_t i = 0; i < config.clusters.size() && i < kMax; ++i) {
    names.push_back(config.clusters[i].name);
  }
  return names;
}

// A session needs one descriptor for its stream and one for the request in progress.
void CheckDescriptors(std::uint64_t limit, std::size_t clusters, const Logger& logger) {
  constexpr std::uint64_t kRest = 64;  // files, listeners, executors, scrapes
  const std::uint64_t needed = 2 * std::uint64_t{clusters} + kRest;
  if (limit >= needed) return;
  logger.Warn("File descriptor limit too low for the clusters",
              {{"limit", limit}, {"needed", needed}, {"clusters", clusters}});
}

// Limit of events that wait for the loop before connections pause reading. Scrapes, timers and
// executors wait behind them, and with slow logging an event takes 0.5 ms: more would delay them,
// and would not help, since OnRoom resumes reading at once.
constexpr std::size_t kMaxWaiting = 128;

void Run(const IngestConfig& config, const ConfigTable& table, const StartArguments& start) {
  const SystemClock clock;
  const Logger logger(config.common.log_level, config.common.log_format);
  LogFields effective = table.Effective();
  effective.emplace_back("clusters", Names(config));
  logger.Info("Effective configuration", effective);

  const std::uint64_t descriptors = RaiseDescriptorLimit();
  CheckDescriptors(descriptors, config.clusters.size(), logger);

  EventLoop event_loop(clock, kMaxWaiting);
  const std::unique_ptr<TlsCredentials> tls = MakeTls(clock, config.common.grpc_tls, logger);
  TokenAuth token_auth(clock, config.common.grpc_token_file, logger);
  DispatchService dispatch(event_loop, token_auth, logger.Named("dispatch"));
  VolatileJournal journal;
  UuidGenerator ids;
  IngestLoop loop(
      config.Scheduling(), event_loop, journal, dispatch,
      [&](WallTime now) { return ids.Next(now); }, logger.Named("ingest"));
  dispatch.Serve(loop);
  AdminService admin(event_loop, loop, token_auth, Endpoints(config.clusters));
  ConnectionThread connections(clock, config.Connections(), loop,
                               NewMcpSessions(GetBuildInfo().version),
                               [&] { return event_loop.Full(); });
  event_loop.OnRoom([&] { connections.Resume(); });

  const auto on_error = [&](std::string_view path, std::string_view what) {
    logger.Error("Request failed", {{"path", path}, {"error", what}});
  };
  const MetricsDetail detail =
      config.metrics_per_cluster ? MetricsDetail::kPerCluster : MetricsDetail::kSummed;
  const HealthCheck shutdown = ShutdownCheck([&] { return loop.draining(); });
  LoopProbe probe(event_loop, clock);
  LoopProbe connections_probe(connections.event_loop(), clock);
  const auto on_closed = [logger](const std::string& reason, std::size_t closed) {
    logger.Warn("Connections closed",
                {{"server", "grpc"}, {"reason", reason}, {"connections", closed}});
  };
  GrpcEndpoint grpc(config.common.grpc_listen, {&dispatch, &admin},
                    tls ? tls->ForServer() : nullptr,
                    {.sessions = dispatch.sessions(), .on_closed = on_closed});
  const ProgramMetrics program_metrics("ingest", clock, logger);
  const ProcessMetrics process_metrics;
  const IngestMetrics ingest_metrics(event_loop, loop, detail);
  HttpServer metrics(
      {.bind_address = config.common.bind_address,
       .port = config.common.metrics_port,
       .option = "--metrics-port"},
      {{"/metrics", MetricsHandler({&program_metrics, &process_metrics, &ingest_metrics})}},
      on_error);
  HttpServer health(
      {.bind_address = config.common.bind_address,
       .port = config.common.health_port,
       .option = "--health-port"},
      {{"/healthz", HealthHandler({shutdown,
                                   LoopCheck("ingest", probe),
                                   ConnectionsCheck(loop, connections_probe),
                                   {"grpc", [&] { return grpc.Failure(); }}})},
       {"/readyz", HealthHandler({SubscriptionCheck(loop), BreakerCheck(loop), shutdown})}},
      on_error);
  logger.Info(
      "Listening",
      {{"grpc", grpc.address()}, {"metrics_port", metrics.port()}, {"health_port", health.port()}});

  const auto on_reloaded = [&](const std::vector<ClusterConfig>& clusters) {
    admin.SetEndpoints(Endpoints(clusters));
    CheckDescriptors(descriptors, clusters.size(), logger);
  };
  ConfigReload reload(clock, start, config, table, {event_loop, loop, connections, on_reloaded},
                      logger.Named("ingest"));
  const auto on_signal = [&](int signal, pid_t) {
    if (signal == SIGHUP) return reload.OnHangup();
    connections.Close(1s);
    loop.Drain(signal, config.common.shutdown_timeout, [&] { event_loop.Stop(); });
  };
  SignalFd signals(event_loop, on_signal, {SIGHUP});
  loop.Restore();
  connections.Start();
  event_loop.Run();

  dispatch.CloseStreams();
  grpc.Shutdown(500ms);
  connections.Join();
  loop.LogDrained();
  logger.Flush();
}

}  // namespace

int main(int argc, char** argv) {
  OpenStandardDescriptors();
  ReturnFreedMemory();
  try {
    BlockSignals({SIGHUP});  // before any thread starts: SIGHUP requests a reload and must not kill
    IngestConfig config;
    ConfigTable table = MakeConfigTable(&config);
    const auto parsed = table.Parse(argc, argv, ProcessEnvironment());
    if (const auto code = parsed.Report("runner-ingest")) return *code;
    SilenceGrpcLog();
    Run(config, table, {argc, argv});
    return 0;
  } catch (const std::exception& error) {
    WriteToStderr(std::string("runner-ingest: ") + error.what());
    return 1;
  }
}
