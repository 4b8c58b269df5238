#include <csignal>
#include <exception>
#include <memory>
#include <string>

#include <sys/prctl.h>

#include "common/base/descriptor_limit.h"
#include "common/base/heap.h"
#include "common/loop/signals.h"
#include "common/observability/health.h"
#include "common/observability/http_server.h"
#include "common/observability/log_queue.h"
#include "common/observability/log_throttle.h"
#include "common/observability/metrics.h"
#include "common/observability/process_metrics.h"
#include "common/rpc/grpc_endpoint.h"
#include "common/rpc/tls_credentials.h"
#include "common/rpc/token_auth.h"
#include "executor/config/config.h"
#include "executor/loop/executor_loop.h"
#include "executor/loop/metrics.h"
#include "executor/rpc/admin_service.h"
#include "executor/session/grpc_ingest_channel.h"
#include "executor/shim/children.h"

namespace {

using namespace runner;
using namespace runner::executor;
using namespace std::chrono_literals;

HealthCheck AttachCheck(const ExecutorLoop& loop) {
  return {"ingest", [&loop]() -> std::optional<std::string> {
            if (loop.attached()) return std::nullopt;
            return "not attached to ingest";
          }};
}

int Run(const ExecutorConfig& config, const ConfigTable& table) {
  const SystemClock clock;
  const Logger logger(config.common.log_level, config.common.log_format);
  logger.Info("Effective configuration", table.Effective());
  for (const std::string& name : config.MissingVariables(ProcessEnvironment())) {
    logger.Warn("Variable of --agent-env not set", {{"variable", name}});
  }

  EventLoop event_loop(clock);
  const std::unique_ptr<TlsCredentials> tls = MakeTls(clock, config.common.grpc_tls, logger);
  TokenAuth token_auth(clock, config.common.grpc_token_file, logger);
  AgentOptions agent = config.Agent();
  agent.descriptor_limit = DescriptorLimit();
  RaiseDescriptorLimit();
  const ExecutorOptions options = config.Executor();
  GrpcIngestChannel channel(options.ingest_address, {token_auth, tls.get()}, event_loop);
  ExecutorLoop loop(options, agent, channel, event_loop, logger);
  AdminService admin(event_loop, loop, token_auth);
  const auto on_error = [&](std::string_view path, std::string_view what) {
    logger.Error("Request failed", {{"path", path}, {"error", what}});
  };
  const HealthCheck shutdown = ShutdownCheck([&] { return loop.draining(); });
  LoopProbe probe(event_loop, clock);
  const auto on_closed = [logger](const std::string& reason, std::size_t closed) {
    logger.Warn("Connections closed",
                {{"server", "grpc"}, {"reason", reason}, {"connections", closed}});
  };
  GrpcEndpoint grpc(config.common.grpc_listen, {&admin}, tls ? tls->ForServer() : nullptr,
                    {.on_closed = on_closed});
  const ProgramMetrics program_metrics("executor", clock, logger);
  const ProcessMetrics process_metrics;
  const ExecutorMetrics executor_metrics(event_loop, loop);
  HttpServer metrics(
      {.bind_address = config.common.bind_address,
       .port = config.common.metrics_port,
       .option = "--metrics-port"},
      {{"/metrics", MetricsHandler({&program_metrics, &process_metrics, &executor_metrics})}},
      on_error);
  HttpServer health({.bind_address = config.common.bind_address,
                     .port = config.common.health_port,
                     .option = "--health-port"},
                    {{"/healthz", HealthHandler({shutdown,
                                                 LoopCheck("executor", probe),
                                                 {"grpc", [&] { return grpc.Failure(); }}})},
                     {"/readyz", HealthHandler({AttachCheck(loop), shutdown})}},
                    on_error);
  logger.Info(
      "Listening",
      {{"grpc", grpc.address()}, {"metrics_port", metrics.port()}, {"health_port", health.port()}});

  loop.OnDrain(config.common.shutdown_timeout, [&] { event_loop.Stop(); });
  LogThrottle agent_signals;
  const auto on_signal = [&](int signal, pid_t sender) {
    if (signal == SIGCHLD) return loop.supervisor().ReapOrphans();
    // SyscallFilter keeps agents from sending most signals, if the kernel supports it.
    if (sender > 0 && ChildAbove(sender) != 0) {
      loop.supervisor().StopSender(sender);
      const auto held = agent_signals.Pass(clock.Now().mono, std::to_string(signal));
      if (!held) return;
      logger.Warn("Signal from an agent ignored",
                  {{"signal", signal}, {"pid", sender}, {"lines_held_back", *held}});
    } else if (signal == SIGHUP) {
      logger.Info("SIGHUP ignored, the configuration is read at start");
    } else {
      loop.OnSignal(signal == SIGTERM ? "SIGTERM" : "SIGINT");
    }
  };
  SignalFd signals(event_loop, on_signal, {SIGHUP, SIGCHLD});
  loop.Start();
  event_loop.Run();

  grpc.Shutdown(50ms);
  loop.executor().LogDrained();
  logger.Flush();
  return loop.executor().exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  // Then agents of the same user can neither trace this process nor access its memory, descriptors
  // and files in proc(5). It also disables core dumps, which could contain keys.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  OpenStandardDescriptors();
  ReturnFreedMemory();
  ExecutorConfig config;
  ConfigTable table = MakeConfigTable(&config, ProcessEnvironment());
  const auto parsed = table.Parse(argc, argv, ProcessEnvironment());
  if (const auto code = parsed.Report("runner-executor")) return *code;
  try {
    // SIGHUP requests a reload, which only ingest implements; it must not end this process.
    BlockSignals({SIGHUP, SIGCHLD});
    SilenceGrpcLog();
    return Run(config, table);
  } catch (const std::exception& error) {
    WriteToStderr(std::string("runner-executor: ") + error.what());
    return 1;
  }
}
