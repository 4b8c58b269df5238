#include "tests/support/service_process.h"

#include <random>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

ChildProcess::Command MakeCommand(const std::string& name, const std::filesystem::path& program,
                                  const std::vector<std::string>& flags, const Environment& extra,
                                  const std::filesystem::path& directory,
                                  const std::filesystem::path& stderr_file) {
  ChildProcess::Command command;
  command.argv = {program.string(), "--bind-address=127.0.0.1", "--metrics-port=0",
                  "--health-port=0", "--log-format=json"};
  command.argv.insert(command.argv.end(), flags.begin(), flags.end());
  for (const auto& [key, value] : extra) command.environment[key] = value;
  command.directory = directory;
  command.stdout_file = directory / (name + ".out");
  command.stderr_file = stderr_file.empty() ? directory / (name + ".log") : stderr_file;
  return command;
}

}  // namespace

ServiceProcess::ServiceProcess(std::string name, const std::filesystem::path& program,
                               const std::vector<std::string>& flags, const Environment& extra,
                               const std::filesystem::path& directory,
                               const std::filesystem::path& stderr_file)
    : name_(std::move(name)),
      stdout_file_(directory / (name_ + ".out")),
      log_(directory / (name_ + ".log")),
      process_(MakeCommand(name_, program, flags, extra, directory, stderr_file)) {
  Eventually([this] { return log_.Has("Listening") || !process_.Running(); });
  const auto lines = log_.With("Listening");
  if (lines.empty()) {
    throw std::runtime_error(name_ + " does not listen:\n" +
                             ReadFile(directory / (name_ + ".log")));
  }
  grpc_ = lines.front().at("grpc");
  metrics_port_ = lines.front().at("metrics_port");
  health_port_ = lines.front().at("health_port");
}

std::string ServiceProcess::stdout_text() const { return ReadFile(stdout_file_); }

std::string ServiceProcess::Scrape() const {
  const HttpAnswer answer =
      HttpGet("http://" + host_ + ":" + std::to_string(metrics_port_) + "/metrics");
  if (answer.status != 200) {
    throw std::runtime_error(name_ + ": /metrics answers " + std::to_string(answer.status) + " " +
                             answer.body);
  }
  return answer.body;
}

HttpAnswer ServiceProcess::Health(const std::string& path) const {
  return HttpGet("http://" + host_ + ":" + std::to_string(health_port_) + path);
}

int FreePort() {
  constexpr int kFirst = 20'000;
  constexpr int kLast = 32'000;
  std::random_device random;
  std::uniform_int_distribution<int> any(kFirst, kLast);
  for (int tries = 0; tries < 1000; ++tries) {
    const int port = any(random);
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd.Get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return port;
  }
  throw std::runtime_error("no free port");
}

}  // namespace runner::support
