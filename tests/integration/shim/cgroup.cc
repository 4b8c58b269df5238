#include "tests/integration/shim/cgroup.h"

#include <fstream>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace runner::support {
namespace {

namespace fs = std::filesystem;

bool Write(const fs::path& file, const std::string& text) {
  std::ofstream stream(file);
  stream << text << std::flush;
  return stream.good();
}

}  // namespace

std::optional<LimitedCgroup> LimitedCgroup::Make(const std::string& controller,
                                                 const std::string& file,
                                                 const std::string& limit) {
  const fs::path parent = fs::path("/sys/fs/cgroup") / controller;
  const fs::path directory = parent / ("runner-test-" + std::to_string(::getpid()));
  std::error_code error;
  if (!fs::exists(parent / "tasks", error) || !fs::create_directory(directory, error)) {
    return std::nullopt;
  }
  LimitedCgroup group(directory);
  if (!Write(directory / file, limit) ||
      !Write(directory / "cgroup.procs", std::to_string(::getpid()))) {
    return std::nullopt;
  }
  return group;
}

LimitedCgroup::LimitedCgroup(LimitedCgroup&& other) noexcept
    : directory_(std::exchange(other.directory_, {})) {}

LimitedCgroup::~LimitedCgroup() {
  if (directory_.empty()) return;
  Write(directory_.parent_path() / "cgroup.procs", std::to_string(::getpid()));
  std::error_code ignored;
  fs::remove(directory_, ignored);
}

}  // namespace runner::support
