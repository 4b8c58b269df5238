#pragma once

#include <map>
#include <optional>
#include <string>

#include <sys/types.h>

namespace runner::support {

// A switch, which processes in network namespaces of their own (unshare(1), network_namespaces(7))
// can be plugged into; this process is at it, too. A cable needs no end of its own: the kernel
// removes a namespace without a name, and its interfaces with it, when its last process has ended.
class Network {
 public:
  // Why there can be none here; nothing when there can.
  static std::optional<std::string> Missing();

  // Throws std::runtime_error, as all of these do, when a tool of iproute2 fails.
  Network();
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // The address of the next process that is plugged in.
  std::string next_address() const { return AddressOf(last_host_ + 1); }
  // Plugs that process in. Its address, which no other had before.
  std::string Connect(pid_t inside);
  // Packets from and to that address vanish; nobody is told.
  void Pull(const std::string& address);
  void Plug(const std::string& address);

 private:
  struct Port {
    std::string space;      // the namespace
    std::string interface;  // in there
  };

  std::string AddressOf(int host) const;

  const std::string bridge_;
  int last_host_ = 1;  // this process
  std::map<std::string, Port> ports_;
};

}  // namespace runner::support
