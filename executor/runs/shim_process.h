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
  bool spawned = false;  // it ran for a moment and may have left processes
};

// How a shim ended. kClean: by itself with exit code 0, which proves that it did everything.
enum class ShimEnd { kNotYet, kClean, kLost };

// A runner-shim: its socket, its pidfd, and the duty to reap it. Closing the socket, as the
// destructor does, makes the shim stop its agent and exit. A shim that was not reaped is left to
// init, or stays a zombie until this process ends. Not thread-safe.
class ShimProcess {
 public:
  // argv[0] is the path of the program; `environment` becomes the agent's. The shim gets its own
  // session, all signals blocked, /dev/null as descriptors 0 and 1, this process' stderr as 2, the
  // socket as 3, and no other descriptors.
  static std::variant<ShimProcess, ShimStartError> Start(
      const std::vector<std::string>& argv, const std::vector<std::string>& environment);

  ShimProcess(ShimProcess&&) = default;
  ShimProcess& operator=(ShimProcess&&) = default;

  pid_t pid() const { return pid_; }
  // Readable if a notice is available or the shim has closed it.
  int socket() const { return socket_.Get(); }
  // Readable when the shim has ended.
  int pidfd() const { return pidfd_.Get(); }

  // Does not report a shim that has ended: the pidfd does.
  void Send(ShimCommand command) const;
  void ExtendLease(MonoTime lease_deadline) const;
  // Returns the next notice, or nothing if none is available. Never blocks.
  std::optional<ShimNotice> Receive() const;
  void Kill() const;
  // Reaps the shim if it has ended. Must not be called again after that.
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
