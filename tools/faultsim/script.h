#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "tools/faultsim/send_queue.h"
#include "tools/faultsim/wire.h"

namespace runner::faultsim {

// The misbehaviour of a server as data: rules that select requests and steps that answer them.
// README.md describes the text format.

struct Step;
using Steps = std::vector<Step>;

namespace step {

constexpr std::uint64_t kForEver = std::numeric_limits<std::uint64_t>::max();

// Sends bytes. With `body`, a chunked response wraps them in chunks.
struct Send {
  std::string bytes;
  bool body = false;
};
// Sends `count` bytes of the body by repeating a pattern.
struct Fill {
  std::uint64_t count = 0;
  std::string with;
};
// Sends events; {n} in the data is their number, from 1.
struct Flood {
  std::uint64_t count = 0;
  std::string data;
};
struct Respond {
  HttpResponse response;  // a whole response, or the head of a stream
};
struct Serve {};  // sends the response of the server behind the script
struct End {};    // sends the last chunk
struct SetPace {
  Pace pace;
};
struct ChunkSize {
  std::size_t bytes = 0;
};
struct Wait {
  Duration delay{};
};
struct Repeat {
  std::uint64_t times = kForEver;
  Steps steps;
};
struct Stall {};      // sends nothing more; the connection stays open
struct Mute {};       // drops all further events of the server on this connection
struct HalfClose {};  // sends FIN; the connection stays open
struct Close {};      // sends FIN and closes
struct Reset {};      // sends RST

}  // namespace step

struct Step {
  std::variant<step::Send, step::Fill, step::Flood, step::Respond, step::Serve, step::End,
               step::SetPace, step::ChunkSize, step::Wait, step::Repeat, step::Stall, step::Mute,
               step::HalfClose, step::Close, step::Reset>
      what;
};

struct Match {
  std::optional<std::string> method;  // HTTP method
  std::optional<std::string> path;    // a trailing * matches any suffix
  std::optional<std::string> rpc;     // method of the JSON-RPC message
  std::optional<std::string> tool;    // tool name of a tools/call
  // The range of matching requests to which the rule applies, counted from 1.
  std::uint64_t from = 1;
  std::uint64_t to = step::kForEver;
  bool per_session = false;  // counts each Mcp-Session-Id separately
};

struct Rule {
  std::string name;
  Match match;
  std::shared_ptr<const Steps> steps;
};

struct Script {
  std::vector<Rule> rules;
};

}  // namespace runner::faultsim
