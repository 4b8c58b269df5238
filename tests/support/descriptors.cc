#include "tests/support/descriptors.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace runner::support {

std::vector<std::string> OpenDescriptors() {
  std::vector<std::string> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the descriptor of the iteration itself
    std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    // An inherited file, such as a log of ctest, may lose its name meanwhile (proc(5)).
    constexpr std::string_view kDeleted = " (deleted)";
    if (target.ends_with(kDeleted)) target.resize(target.size() - kDeleted.size());
    if (gone || target.ends_with("/fd")) continue;
    if (target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]") continue;
    open.push_back(entry.path().filename().string() + " -> " + target);
  }
  std::sort(open.begin(), open.end());
  return open;
}

}  // namespace runner::support
