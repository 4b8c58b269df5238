#pragma once

#include <map>
#include <optional>
#include <string>

#include <sys/types.h>

namespace runner::support {

// A switch that connects this process with processes in their own network namespaces (unshare(1),
// network_namespaces(7)). Connections need no cleanup: the kernel removes a namespace without a
// name, and its interfaces, when its last process has ended.
class Network {
 public:
  // Why no network can be created here; nothing if it can.
  static std::optional<std::string> Missing();

  // Throws std::runtime_error if a tool of iproute2 fails; so do all other functions.
  Network();
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // The address of the next process that is connected.
  std::string next_address() const { return AddressOf(last_host_ + 1); }
  // Connects that process. Returns its address, which was not used before.
  std::string Connect(pid_t inside);
  // Drops packets from and to that address silently.
  void Pull(const std::string& address);
  void Plug(const std::string& address);

 private:
  struct Port {
    std::string space;      // the namespace
    std::string interface;  // inside the namespace
  };

  std::string AddressOf(int host) const;

  const std::string bridge_;
  int last_host_ = 1;  // 1 is this process
  std::map<std::string, Port> ports_;
};

}  // namespace runner::support
