#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace runner::support {

// The client that operators use, a program that is not ours.
class Grpcurl {
 public:
  struct Answer {
    int exit_code;
    std::string out;
    std::string error;
  };

  // Why it cannot be run; nothing when it can.
  static std::optional<std::string> Missing();
  // Runs in this directory, and leaves files there.
  explicit Grpcurl(std::filesystem::path directory) : directory_(std::move(directory)) {}
  // With these arguments, 20 seconds at the most.
  Answer operator()(const std::vector<std::string>& arguments) const;

 private:
  const std::filesystem::path directory_;
};

}  // namespace runner::support
