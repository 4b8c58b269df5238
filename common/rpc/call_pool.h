#pragma once

#include <cstddef>
#include <deque>
#include <functional>

#include <grpcpp/grpcpp.h>

#include "common/base/mutex.h"

namespace runner {

// Runs the bodies of blocking calls on its own threads, since the threads of gRPC must not block.
// Threads start on demand and end after 10 s without work. Thread-safe.
class CallPool {
 public:
  // At most `threads` calls run and `waiting` wait; further calls are rejected.
  CallPool(std::size_t threads, std::size_t waiting) : max_threads_(threads), waiting_(waiting) {}
  // Waits until the threads have ended.
  ~CallPool();
  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;

  // Completes a unary call with the status that the body returns, or RESOURCE_EXHAUSTED if there
  // are too many calls. A call that is cancelled while it waits does not run.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext& context,
                                   std::function<grpc::Status()> body);

  // Returns false if there are too many calls.
  bool Run(std::function<void()> task) EXCLUDES(mutex_);

  static grpc::Status Full();

 private:
  void Work() EXCLUDES(mutex_);

  const std::size_t max_threads_;
  const std::size_t waiting_;
  Mutex mutex_;
  Condition changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  std::size_t threads_ GUARDED_BY(mutex_) = 0;
  std::size_t idle_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

// Writes a stream of responses from a body that runs in the pool. Owns itself: deleted after End,
// when gRPC has released it.
template <typename Response>
class BlockingWriter final : public grpc::ServerWriteReactor<Response> {
 public:
  // Waits until gRPC has taken the response. Returns false if the client has gone.
  bool Write(const Response& response) EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      written_ = false;
    }
    this->StartWrite(&response);
    const MutexLock lock(mutex_);
    while (!written_) changed_.Wait(mutex_);
    return ok_;
  }
  void End(const grpc::Status& status) { this->Finish(status); }

 private:
  void OnWriteDone(bool ok) override {
    const MutexLock lock(mutex_);
    written_ = true;
    ok_ = ok;
    changed_.NotifyAll();
  }
  void OnDone() override { delete this; }

  Mutex mutex_;
  Condition changed_;
  bool written_ GUARDED_BY(mutex_) = false;
  bool ok_ GUARDED_BY(mutex_) = false;
};

}  // namespace runner
