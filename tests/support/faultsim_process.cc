#include "tests/support/faultsim_process.h"

#include <stdexcept>
#include <utility>

#include "tests/support/eventually.h"
#include "tests/support/service_process.h"
#include "tests/support/temp_dir.h"

namespace runner::support {

FaultsimProcess::FaultsimProcess(std::filesystem::path directory, std::vector<std::string> flags,
                                 Place place)
    : directory_(std::move(directory)),
      flags_(std::move(flags)),
      place_(std::move(place)),
      port_(FreePort()) {
  Start();
}

std::string FaultsimProcess::File(const std::string& ending) const {
  return directory_ / ("faultsim-" + std::to_string(port_) + ending);
}

std::string FaultsimProcess::LogText() const { return ReadFile(File(".log")); }

void FaultsimProcess::Start() {
  ChildProcess::Command command;
  command.argv = place_.wrapper;
  command.argv.insert(command.argv.end(),
                      {RUNNER_FAULTSIM, "--listen", place_.host + ":" + std::to_string(port_)});
  command.argv.insert(command.argv.end(), flags_.begin(), flags_.end());
  command.directory = directory_;
  command.stdout_file = File(".out");
  command.stderr_file = File(".log");
  process_ = std::make_unique<ChildProcess>(command);
  const auto up = [&] { return ReadFile(command.stdout_file).ends_with('\n'); };
  Eventually([&] { return up() || !process_->Running(); });
  if (!up()) throw std::runtime_error("runner-faultsim does not come up: " + LogText());
}

void FaultsimProcess::Restart() {
  process_.reset();
  Start();
}

}  // namespace runner::support
