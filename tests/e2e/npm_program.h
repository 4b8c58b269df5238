#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tests/support/node_program.h"
#include "tests/support/system.h"

namespace runner::support {

// Programs for the tests that npm installs and Node.js runs.
inline const std::filesystem::path kNpmPrograms =
    std::filesystem::path(RUNNER_PEERS_DIR) / "node_modules/.bin";

// Why the program cannot run here, or nothing.
inline std::optional<std::string> NpmProgramMissing(const std::string& name) {
  if (!std::filesystem::exists(kNpmPrograms / name)) {
    return (kNpmPrograms / name).string() + " is missing: run npm ci in " RUNNER_PEERS_DIR;
  }
  return NodeMissing();
}

// The first words of its command line.
inline Words NpmProgram(const std::string& name) {
  return {kNodeProgram, (kNpmPrograms / name).string()};
}

}  // namespace runner::support
