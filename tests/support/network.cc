#include "tests/support/network.h"

#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "tests/support/child_process.h"

namespace runner::support {
namespace {

using Command = std::vector<std::string>;

int Run(const Command& command) {
  ChildProcess::Command all;
  all.argv = command;
  all.directory = "/";
  all.stdout_file = all.stderr_file = "/dev/null";
  return ChildProcess(all).WaitForExit(std::chrono::seconds(10)).value_or(-1);
}

void Must(const Command& command) {
  const int code = Run(command);
  if (code == 0) return;
  std::string text;
  for (const std::string& word : command) text += word + " ";
  throw std::runtime_error(text + "ends with " + std::to_string(code));
}

void MustInside(const std::string& space, const Command& command) {
  Command all = {"nsenter", "--net=" + space};
  all.insert(all.end(), command.begin(), command.end());
  Must(all);
}

constexpr std::string_view kBridgePrefix = "runner";

// Removes the bridges of tests that were killed.
void RemoveAbandoned() {
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kBridgePrefix)) continue;
    const std::string owner = name.substr(kBridgePrefix.size());
    if (!std::filesystem::exists("/proc/" + owner)) Run({"ip", "link", "delete", name});
  }
}

}  // namespace

std::optional<std::string> Network::Missing() {
  for (const char* program : {"ip", "unshare", "nsenter"}) {
    if (!FindProgram(program)) return std::string(program) + " is not installed";
  }
  if (Run({"unshare", "--net", "ip", "link", "add", "probe", "type", "bridge"}) != 0) {
    return "network namespaces need root, and a kernel with bridges";
  }
  return std::nullopt;
}

Network::Network() : bridge_(std::string(kBridgePrefix) + std::to_string(::getpid())) {
  RemoveAbandoned();
  // A fixed address: otherwise the bridge takes that of one of its ports and changes it when a port
  // is added or removed, which invalidates the neighbour tables of the others.
  Must({"ip", "link", "add", bridge_, "address", "02:00:00:00:00:01", "type", "bridge"});
  Must({"ip", "address", "add", AddressOf(1) + "/28", "dev", bridge_});
  Must({"ip", "link", "set", bridge_, "up"});
}

Network::~Network() { Run({"ip", "link", "delete", bridge_}); }

std::string Network::Connect(pid_t inside) {
  const int host = ++last_host_;
  const std::string address = AddressOf(host);
  const std::string near = "r" + std::to_string(::getpid()) + "-" + std::to_string(host);
  const Port port{"/proc/" + std::to_string(inside) + "/ns/net", "far"};
  Must({"ip", "link", "add", near, "type", "veth", "peer", "name", port.interface, "netns",
        std::to_string(inside)});
  Must({"ip", "link", "set", near, "master", bridge_, "up"});
  MustInside(port.space, {"ip", "address", "add", address + "/28", "dev", port.interface});
  ports_[address] = port;
  Plug(address);
  return address;
}

void Network::Pull(const std::string& address) {
  const Port& port = ports_.at(address);
  MustInside(port.space, {"ip", "link", "set", port.interface, "down"});
}

void Network::Plug(const std::string& address) {
  const Port& port = ports_.at(address);
  MustInside(port.space, {"ip", "link", "set", port.interface, "up"});
}

// Two tests may run at a time: names and addresses depend on this process. 198.18.0.0/15 is for
// network tests (RFC 2544), and holds 8192 nets of 14 hosts.
std::string Network::AddressOf(int host) const {
  const int net = ::getpid() % 4096;
  return "198.18." + std::to_string(net / 16) + "." + std::to_string(net % 16 * 16 + host);
}

}  // namespace runner::support
