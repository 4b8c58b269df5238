#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/address.h"
#include "common/base/unique_fd.h"

namespace runner {

// Sockets that listen on one address: a host name has one for each of its addresses.
struct ListenSockets {
  std::vector<UniqueFd> sockets;  // non-blocking
  std::uint16_t port = 0;         // that was bound; 0 for a Unix socket
  std::string unix_path;          // of the file of a Unix socket
};

// Listens. `::` serves IPv4 and IPv6, every other address its own family. Port 0 picks a free one.
// The file of a Unix socket that nobody listens on any more is replaced. Blocks while a name is
// looked up. Throws std::runtime_error with what the operator has to change:
// "--metrics-port: cannot listen on 0.0.0.0:9090: Address already in use; choose ...". `option`
// names what set the address, and may be empty.
ListenSockets ListenOn(const Address& address, const std::string& option);

}  // namespace runner
