#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/base/mutex.h"

namespace runner {

// The peers of a gRPC server that have a session: a long-lived call that a service has accepted.
// GrpcEndpoint cuts their connections last. Thread-safe.
class SessionPeers {
 public:
  // One session; ends with the object.
  class Session {
   public:
    // `peer` as returned by grpc::ServerContextBase::peer().
    Session(std::shared_ptr<SessionPeers> peers, std::string peer)
        : peers_(std::move(peers)), peer_(std::move(peer)) {
      const MutexLock lock(peers_->mutex_);
      ++peers_->sessions_[peer_];
    }
    ~Session() {
      const MutexLock lock(peers_->mutex_);
      if (--peers_->sessions_[peer_] == 0) peers_->sessions_.erase(peer_);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

   private:
    const std::shared_ptr<SessionPeers> peers_;
    const std::string peer_;
  };

  bool Contains(const std::string& peer) const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return sessions_.contains(peer);
  }
  bool Empty() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return sessions_.empty();
  }

 private:
  mutable Mutex mutex_;
  std::unordered_map<std::string, std::size_t> sessions_ GUARDED_BY(mutex_);
};

}  // namespace runner
