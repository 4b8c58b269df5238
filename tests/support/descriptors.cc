#include "tests/support/descriptors.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace runner::support {

std::vector<std::string> OpenDescriptors() {
  std::vector<std::string> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the descriptor of the iteration itself
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || target.ends_with("/fd")) continue;
    if (target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]") continue;
    open.push_back(entry.path().filename().string() + " -> " + target);
  }
  std::sort(open.begin(), open.end());
  return open;
}

}  // namespace runner::support
