#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace runner::support {

// The Node.js of every peer: tests/peers/node finds it.
inline const std::string kNodeProgram = RUNNER_PEERS_DIR "/node";

// Why no Node.js can be started here; nothing when one can.
inline std::optional<std::string> NodeMissing() {
  if (std::system("'" RUNNER_PEERS_DIR "/node' --version >/dev/null 2>&1") == 0)
    return std::nullopt;
  return "Node.js 20 or newer is neither installed by npm in " RUNNER_PEERS_DIR
         " nor on PATH; run scripts/setup --test";
}

}  // namespace runner::support
