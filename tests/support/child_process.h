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

// The base environment of programs under test: locations, and options of the sanitizers.
Environment BaseEnvironment();

// A program that runs beside the test. Its stdin is empty, its outputs go to files. The destructor
// kills it if it still runs, but not its children.
class ChildProcess {
 public:
  struct Command {
    std::vector<std::string> argv;  // argv[0] is a path, or a name to find on PATH
    Environment environment = BaseEnvironment();
    std::filesystem::path directory;  // working directory
    std::filesystem::path stdout_file;
    std::filesystem::path stderr_file;
  };

  // Throws std::system_error if the program cannot be started.
  explicit ChildProcess(const Command& command);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Does nothing if the program has ended.
  void Signal(int signal);
  void Terminate();
  // Sends SIGKILL and waits for the end.
  void Kill();
  // Returns the exit code, or the negated signal that ended it; nothing if it still runs after the
  // limit.
  std::optional<int> WaitForExit(Duration limit);
  bool Running() { return !WaitForExit(Duration::zero()); }

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<int> exit_;
};

// The path of a program of that name on PATH, if there is one.
std::optional<std::filesystem::path> FindProgram(const std::string& name);

}  // namespace runner::support
