#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace runner::faultsim {

// A non-blocking TCP socket that listens on HOST:PORT ([HOST]:PORT for IPv6; port 0: any free
// port). Throws std::runtime_error that names the address.
UniqueFd ListenOn(const std::string& address);

// The HOST:PORT that the socket is bound to.
std::string BoundAddress(int fd);

}  // namespace runner::faultsim
