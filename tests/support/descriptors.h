#pragma once

#include <string>
#include <vector>

namespace runner::support {

// The open descriptors of this process, each as "number -> target", without the pollers of gRPC,
// which live as long as the process.
std::vector<std::string> OpenDescriptors();

}  // namespace runner::support
