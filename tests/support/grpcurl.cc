#include "tests/support/grpcurl.h"

#include <cstdlib>

#include "tests/support/child_process.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

std::optional<std::filesystem::path> Find() {
  if (auto found = FindProgram("grpcurl")) return found;
  const char* const home = std::getenv("HOME");
  if (home == nullptr) return std::nullopt;
  const auto installed = std::filesystem::path(home) / "go/bin/grpcurl";
  return std::filesystem::exists(installed) ? std::optional(installed) : std::nullopt;
}

}  // namespace

std::optional<std::string> Grpcurl::Missing() {
  if (Find()) return std::nullopt;
  return "grpcurl is neither on PATH nor in ~/go/bin; scripts/setup --test installs it where Go is "
         "on PATH";
}

Grpcurl::Answer Grpcurl::operator()(const std::vector<std::string>& arguments) const {
  ChildProcess::Command command;
  command.argv = {Find().value().string(), "-max-time", "20"};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.directory = directory_;
  command.stdout_file = directory_ / "grpcurl.out";
  command.stderr_file = directory_ / "grpcurl.err";
  ChildProcess process(command);
  const int code = process.WaitForExit(2 * kRpcTimeout).value_or(-1);
  return {code, ReadFile(command.stdout_file), ReadFile(command.stderr_file)};
}

}  // namespace runner::support
