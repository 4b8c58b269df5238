#pragma once

#include <cstdint>
#include <string>

namespace runner {

// Why a server cannot listen, for the operator who has to change it:
// "--metrics-port: cannot listen on 0.0.0.0:9090: Address already in use; choose ...". `option`
// names what set the address, and may be empty.
std::string ListenProblem(const std::string& option, const std::string& address,
                          const std::string& why);

// The same with the reason that the kernel, or the look-up of the host, gives now. `fallback` is
// for when both find nothing wrong. Blocks while a name is looked up.
std::string ListenProblem(const std::string& option, const std::string& host, std::uint16_t port,
                          const std::string& fallback);

}  // namespace runner
