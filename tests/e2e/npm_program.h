#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/system.h"

namespace runner::support {

// A program that npm installs for the tests, and the Node.js that runs it: the one that is
// installed beside it, because some need a newer one than Debian's.
inline const std::filesystem::path kNpmPrograms =
    std::filesystem::path(RUNNER_PEERS_DIR) / "node_modules/.bin";

// Why it cannot be run here; nothing when it can.
inline std::optional<std::string> NpmProgramMissing(const std::string& name) {
  if (!std::filesystem::exists(kNpmPrograms / name)) {
    return (kNpmPrograms / name).string() + " is missing: run npm ci in " RUNNER_PEERS_DIR;
  }
  if (!std::filesystem::exists(kNpmPrograms / "node") && !FindProgram("node")) {
    return "node is neither installed by npm nor on PATH";
  }
  return std::nullopt;
}

// The first words of its command line.
inline Words NpmProgram(const std::string& name) {
  const auto node = kNpmPrograms / "node";
  return {std::filesystem::exists(node) ? node.string() : "node", (kNpmPrograms / name).string()};
}

}  // namespace runner::support
