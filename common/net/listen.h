#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/address.h"
#include "common/base/unique_fd.h"

namespace runner {

// Sockets that listen on one address; a host name has one for each of its addresses.
struct ListenSockets {
  std::vector<UniqueFd> sockets;  // non-blocking
  std::uint16_t port = 0;         // the bound port; 0 for a Unix socket
  std::string unix_path;          // the file of a Unix socket
};

// Starts to listen. `::` serves IPv4 and IPv6, every other address its own family. Port 0 picks a
// free port. A Unix socket file without a listener is replaced. Blocks during name resolution.
// Throws std::runtime_error with the change that the operator must make: "--metrics-port: cannot
// listen on 0.0.0.0:9090: Address already in use; choose ...". `option` names the option that set
// the address; it may be empty.
ListenSockets ListenOn(const Address& address, const std::string& option);

}  // namespace runner
