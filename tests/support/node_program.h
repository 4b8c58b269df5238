#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace runner::support {

// The Node.js that runs every peer, found by tests/peers/node.
inline const std::string kNodeProgram = RUNNER_PEERS_DIR "/node";

// Why Node.js cannot be started here; nothing if it can.
inline std::optional<std::string> NodeMissing() {
  if (std::system("'" RUNNER_PEERS_DIR "/node' --version >/dev/null 2>&1") == 0)
    return std::nullopt;
  return "Node.js 20 or newer is neither installed by npm in " RUNNER_PEERS_DIR
         " nor on PATH; run scripts/setup --test";
}

}  // namespace runner::support
