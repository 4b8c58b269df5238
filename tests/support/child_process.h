#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"

namespace runner::support {

using Environment = std::map<std::string, std::string>;

// What programs under test see of this process: where to find things, and how sanitizers behave.
Environment BaseEnvironment();

// A program that runs beside the test. Its stdin is empty, its outputs go to files. The destructor
// kills it if it still runs; what it has started is not its business.
class ChildProcess {
 public:
  struct Command {
    std::vector<std::string> argv;  // argv[0] is a path, or a name to be found on PATH
    Environment environment = BaseEnvironment();
    std::filesystem::path directory;  // where it runs
    std::filesystem::path stdout_file;
    std::filesystem::path stderr_file;
  };

  // Throws std::system_error when the program cannot be started.
  explicit ChildProcess(const Command& command);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Nothing happens when it has ended.
  void Signal(int signal);
  void Terminate();
  // SIGKILL, and waits for the end.
  void Kill();
  // The exit code, or minus the signal that ended it; nothing when it runs on after the limit.
  std::optional<int> WaitForExit(Duration limit);
  bool Running() { return !WaitForExit(Duration::zero()); }

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<int> exit_;
};

// Whether a program of that name is on PATH.
std::optional<std::filesystem::path> FindProgram(const std::string& name);

}  // namespace runner::support
