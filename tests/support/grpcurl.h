#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace runner::support {

// grpcurl, the client of operators; an independent program.
class Grpcurl {
 public:
  struct Answer {
    int exit_code;
    std::string out;
    std::string error;
  };

  // Why it cannot run; nothing if it can.
  static std::optional<std::string> Missing();
  // Runs in this directory and writes files there.
  explicit Grpcurl(std::filesystem::path directory) : directory_(std::move(directory)) {}
  // Runs with these arguments, at most 20 seconds.
  Answer operator()(const std::vector<std::string>& arguments) const;

 private:
  const std::filesystem::path directory_;
};

}  // namespace runner::support
