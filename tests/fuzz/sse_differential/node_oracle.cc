#include "tests/fuzz/sse_differential/node_oracle.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node_program.h"

namespace runner::ingest {
namespace {

const std::filesystem::path kPeers = RUNNER_PEERS_DIR;

// The end to read from and the end to write to.
std::pair<UniqueFd, UniqueFd> MakePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Lengths travel as four bytes, the lowest first.
void AppendSize(std::string& to, std::size_t size) {
  for (int shift = 0; shift < 32; shift += 8) to.push_back(static_cast<char>(size >> shift));
}

}  // namespace

std::optional<std::string> NodeOracle::Missing() {
  if (auto missing = support::NodeMissing()) return missing;
  const auto module = kPeers / "node_modules" / "eventsource-parser";
  if (!std::filesystem::exists(module)) return module.string() + " is missing: run npm ci there";
  return std::nullopt;
}

NodeOracle::NodeOracle(std::uint64_t seed) {
  std::signal(SIGPIPE, SIG_IGN);  // a dead oracle is told by write(2)
  auto [child_in, to_child] = MakePipe();
  auto [from_child, child_out] = MakePipe();
  std::string node = support::kNodeProgram;
  std::string script = (kPeers / "eventsource-oracle.mjs").string();
  std::string number = std::to_string(seed);
  const std::array<char*, 4> argv = {node.data(), script.data(), number.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, child_in.Get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, child_out.Get(), STDOUT_FILENO);
  const int error = ::posix_spawn(&pid_, node.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), node);
  to_child_ = std::move(to_child);
  from_child_ = std::move(from_child);
}

NodeOracle::~NodeOracle() {
  to_child_.Reset();
  from_child_.Reset();
  ::waitpid(pid_, nullptr, 0);
}

// A batch is its size and its streams; a stream its length and its bytes.
void NodeOracle::Send(const std::vector<std::string>& streams) {
  std::string body;
  for (const std::string& stream : streams) {
    AppendSize(body, stream.size());
    body += stream;
  }
  std::string frame;
  AppendSize(frame, body.size());
  frame += body;
  for (std::string_view left = frame; !left.empty();) {
    const ssize_t written = ::write(to_child_.Get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw std::system_error(errno, std::generic_category(), "the oracle");
    left.remove_prefix(static_cast<std::size_t>(written));
  }
}

void NodeOracle::ReadExactly(char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::read(from_child_.Get(), to, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw std::runtime_error("the oracle has ended");
    to += got;
    size -= static_cast<std::size_t>(got);
  }
}

std::vector<std::string> NodeOracle::Receive() {
  const auto read_size = [this] {
    std::array<char, 4> bytes{};
    ReadExactly(bytes.data(), bytes.size());
    std::size_t size = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      size = size << 8 | static_cast<unsigned char>(bytes[i]);
    }
    return size;
  };
  std::string body(read_size(), '\0');
  ReadExactly(body.data(), body.size());
  std::vector<std::string> answers;
  for (std::size_t at = 0; at + 4 <= body.size();) {
    std::size_t size = 0;
    for (std::size_t i = 4; i-- > 0;) size = size << 8 | static_cast<unsigned char>(body[at + i]);
    answers.push_back(body.substr(at + 4, size));
    at += 4 + size;
  }
  return answers;
}

}  // namespace runner::ingest
