#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace runner::support {

// Puts this process and its future children into a new cgroup (v1) with one limit of one
// controller, for the lifetime of the object.
class LimitedCgroup {
 public:
  // Returns nothing if such a cgroup cannot be created; `Reason` then returns the reason for
  // skipping a test.
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
