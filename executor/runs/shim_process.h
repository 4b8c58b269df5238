#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "executor/shim/protocol.h"

namespace runner::executor {

// Why a shim could not be started.
struct ShimStartError {
  std::string what;
  int error = 0;         // an errno
  bool spawned = false;  // it ran for a moment, and may have left something
};

// What became of a shim. Only one that ended by itself with 0 has done all that is its duty.
enum class ShimEnd { kNotYet, kClean, kLost };

// A runner-shim of this process: its socket, its pidfd, and the duty to reap it. Closing the socket
// (which the destructor does) makes the shim stop its agent and exit by itself; a shim that was not
// reaped by then is left to init, or remains a zombie until this process ends. Not thread-safe.
class ShimProcess {
 public:
  // argv[0] is the path of the program; `environment` becomes the agent's. The shim gets a session
  // of its own, all signals blocked, and no descriptors but /dev/null as 0 and 1, this process'
  // stderr as 2, and the socket as 3.
  static std::variant<ShimProcess, ShimStartError> Start(
      const std::vector<std::string>& argv, const std::vector<std::string>& environment);

  ShimProcess(ShimProcess&&) = default;
  ShimProcess& operator=(ShimProcess&&) = default;

  pid_t pid() const { return pid_; }
  // Readable when there is a notice, or the shim is gone.
  int socket() const { return socket_.Get(); }
  // Readable when the shim has ended.
  int pidfd() const { return pidfd_.Get(); }

  // A shim that is gone is not an error here: its pidfd tells.
  void Send(ShimCommand command) const;
  void ExtendLease(MonoTime lease_deadline) const;
  // The next notice; nothing when there is none at the moment. Never blocks.
  std::optional<ShimNotice> Receive() const;
  void Kill() const;
  // Reaps the shim if it has ended. Call until it has, not after.
  ShimEnd Reap() const;

 private:
  void SendRequest(const ShimRequest& request) const;
  ShimProcess(pid_t pid, UniqueFd pidfd, UniqueFd socket)
      : pid_(pid), pidfd_(std::move(pidfd)), socket_(std::move(socket)) {}

  pid_t pid_;
  UniqueFd pidfd_;
  UniqueFd socket_;
};

}  // namespace runner::executor
