#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace runner::support {

// Puts this process, and what it starts from now on, into a new cgroup (v1) of one controller with
// one limit, until it is destroyed.
class LimitedCgroup {
 public:
  // Nothing where such a cgroup cannot be made; `Reason` then says why a test is skipped.
  static std::optional<LimitedCgroup> Make(const std::string& controller, const std::string& file,
                                           const std::string& limit);
  static const char* Reason() { return "needs a writable cgroup v1"; }

  LimitedCgroup(LimitedCgroup&& other) noexcept;
  LimitedCgroup& operator=(LimitedCgroup&&) = delete;
  ~LimitedCgroup();

 private:
  explicit LimitedCgroup(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::filesystem::path directory_;
};

}  // namespace runner::support
