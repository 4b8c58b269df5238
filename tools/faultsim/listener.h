#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace runner::faultsim {

// A listening, non-blocking TCP socket on HOST:PORT ([HOST]:PORT for IPv6; port 0 = any free one).
// Throws std::runtime_error that names the address when that cannot be had.
UniqueFd ListenOn(const std::string& address);

// HOST:PORT that a socket is bound to.
std::string BoundAddress(int fd);

}  // namespace runner::faultsim
