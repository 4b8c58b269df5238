#pragma once

#include <string>
#include <vector>

namespace runner::support {

// What this process has open, each as "number -> what it is", without the pollers of gRPC, which it
// keeps for as long as the process lives.
std::vector<std::string> OpenDescriptors();

}  // namespace runner::support
