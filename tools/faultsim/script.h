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

// What a server is to do wrong, as data: rules that say which requests are answered how. README.md
// describes the text it is read from.

struct Step;
using Steps = std::vector<Step>;

namespace step {

constexpr std::uint64_t kForEver = std::numeric_limits<std::uint64_t>::max();

// Bytes as they are, or as part of the body: then an answer in chunks wraps them in chunks.
struct Send {
  std::string bytes;
  bool body = false;
};
// The same bytes of the body over and over, `count` in all.
struct Fill {
  std::uint64_t count = 0;
  std::string with;
};
// Events one after the other; {n} in the data counts them from 1.
struct Flood {
  std::uint64_t count = 0;
  std::string data;
};
struct Respond {
  HttpResponse response;  // a whole answer, or the head of a stream
};
struct Serve {};  // what the server would have answered
struct End {};    // the last chunk
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
struct Stall {};      // nothing more happens, the connection stays
struct Mute {};       // whatever the server has to say on this connection is swallowed
struct HalfClose {};  // FIN, and the connection stays
struct Close {};      // FIN
struct Reset {};      // RST

}  // namespace step

struct Step {
  std::variant<step::Send, step::Fill, step::Flood, step::Respond, step::Serve, step::End,
               step::SetPace, step::ChunkSize, step::Wait, step::Repeat, step::Stall, step::Mute,
               step::HalfClose, step::Close, step::Reset>
      what;
};

struct Match {
  std::optional<std::string> method;  // of HTTP
  std::optional<std::string> path;    // a * at its end stands for anything
  std::optional<std::string> rpc;     // method of the JSON-RPC message
  std::optional<std::string> tool;    // name in a tools/call
  // Of the requests that match all this, which: counted from 1.
  std::uint64_t from = 1;
  std::uint64_t to = step::kForEver;
  bool per_session = false;  // each Mcp-Session-Id counts for itself
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
