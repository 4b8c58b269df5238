#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"

namespace runner::support {

// A running runner-faultsim: one MCP server at /mcp, and one for each name beside it.
class FaultsimProcess {
 public:
  // Where the simulator runs.
  struct Place {
    std::string host = "127.0.0.1";    // the listening address
    std::vector<std::string> wrapper;  // a command that executes the simulator (execve(2))
  };

  // Uses one free port for its lifetime. Runs in `directory`; its outputs are faultsim-PORT.*
  // there. Throws std::runtime_error with the log if it does not start.
  FaultsimProcess(std::filesystem::path directory, std::vector<std::string> flags, Place place);
  FaultsimProcess(std::filesystem::path directory, std::vector<std::string> flags)
      : FaultsimProcess(std::move(directory), std::move(flags), Place()) {}

  ChildProcess& process() { return *process_; }
  int port() const { return port_; }
  std::string endpoint() const { return Origin() + "/mcp"; }
  std::string EndpointOf(const std::string& name) const { return Origin() + "/c/" + name + "/mcp"; }
  std::string LogText() const;

  // SIGKILL: ends all sessions and connections.
  void Kill() { process_->Kill(); }
  // Restarts it on the same port, without its sessions.
  void Restart();

 private:
  std::string Origin() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::string File(const std::string& ending) const;
  void Start();

  const std::filesystem::path directory_;
  const std::vector<std::string> flags_;
  const Place place_;
  const int port_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace runner::support
