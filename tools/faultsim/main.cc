#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <random>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "common/loop/event_loop.h"
#include "tools/faultsim/fault_generator.h"
#include "tools/faultsim/fault_pump.h"
#include "tools/faultsim/http_server.h"
#include "tools/faultsim/listener.h"
#include "tools/faultsim/mcp_server.h"
#include "tools/faultsim/script_parser.h"
#include "tools/faultsim/scripted_server.h"

namespace {

struct Options {
  std::string listen = "127.0.0.1:8090";
  runner::faultsim::FaultPump::Pace pace;
  std::string cluster = "simulated";
  std::uint64_t seed = std::random_device{}();
  std::string script;
  bool quiet = false;
};

constexpr int kBadConfiguration = 78;  // EX_CONFIG, as in the other programs

void Declare(CLI::App& app, Options& options) {
  app.add_option("--listen", options.listen, "address to listen on, host:port; port 0 selects any")
      ->capture_default_str();
  app.add_option("--rate", options.pace.per_second, "faults per second; 0.001 to 100000")
      ->check(CLI::Range(0.001, 100'000.0))
      ->capture_default_str();
  app.add_option("--count", options.pace.count, "faults to send; 0 disables the limit")
      ->capture_default_str();
  app.add_option("--cluster", options.cluster, "cluster name in the faults")->capture_default_str();
  app.add_option("--seed", options.seed, "seed of the faults (default: random)");
  app.add_option("--script", options.script, "JSON file of faulty answers; see its README.md");
  app.add_flag("--quiet", options.quiet, "do not print the faults on stderr");
}

// Returns a signalfd for SIGTERM and SIGINT, which it blocks.
runner::UniqueFd TerminationSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return runner::UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

void PrintFault(const runner::FaultEvent& fault, std::size_t sessions) {
  const runner::Resource& resource = fault.resource;
  std::cerr << fault.fault_id << ' ' << fault.fault_type << ' ' << ToString(fault.severity) << ' '
            << resource.kind << ' ' << resource.namespace_
            << (resource.namespace_.empty() ? "" : "/") << resource.name << " -> " << sessions
            << (sessions == 1 ? " session\n" : " sessions\n");
}

// Each connection takes a descriptor.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void Run(const Options& options) {
  using namespace runner::faultsim;
  RaiseDescriptorLimit();
  Script script;
  if (!options.script.empty()) script = LoadScript(options.script);
  const runner::UniqueFd signals = TerminationSignals();
  const runner::SystemClock clock;
  runner::EventLoop event_loop(clock);
  runner::UniqueFd listener = ListenOn(options.listen);
  const std::string address = BoundAddress(listener.Get());
  HttpServer http(event_loop, std::move(listener));
  McpServer mcp(http, clock, options.cluster);
  ScriptedServer scripted(mcp, std::move(script));
  const FaultPump pump(event_loop, mcp, http, FaultGenerator(options.cluster, options.seed),
                       options.pace, options.quiet ? FaultPump::Observer() : PrintFault);
  event_loop.Watch(signals.Get(), EPOLLIN, [&](std::uint32_t) { event_loop.Stop(); });
  http.Serve(scripted);
  std::cout << "listening on http://" << address << "/mcp\n" << std::flush;
  event_loop.Run();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Simulates a kubernetes-mcp-server that sends faults, at /mcp, and one for each NAME at\n"
      "/c/NAME/mcp. A script makes it send faulty answers.",
      "runner-faultsim");
  Options options;
  Declare(app, options);
  try {
    app.parse(argc, argv);
    Run(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadConfiguration;
  } catch (const runner::faultsim::ScriptError& error) {
    std::cerr << "runner-faultsim: --script: " << error.what() << '\n';
    return kBadConfiguration;
  } catch (const std::exception& error) {
    std::cerr << "runner-faultsim: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
