#include "common/rpc/call_pool.h"

#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

namespace runner {
namespace {

constexpr std::chrono::seconds kIdleTime{10};

}  // namespace

CallPool::~CallPool() {
  const MutexLock lock(mutex_);
  stopped_ = true;
  changed_.NotifyAll();
  while (threads_ > 0) changed_.Wait(mutex_);
}

grpc::Status CallPool::Full() {
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls at a time; retry later"};
}

grpc::ServerUnaryReactor* CallPool::Answer(grpc::CallbackServerContext& context,
                                           std::function<grpc::Status()> body) {
  grpc::ServerUnaryReactor* const reactor = context.DefaultReactor();
  const bool runs = Run([&context, reactor, body = std::move(body)] {
    reactor->Finish(context.IsCancelled() ? grpc::Status::CANCELLED : body());
  });
  if (!runs) reactor->Finish(Full());
  return reactor;
}

bool CallPool::Run(std::function<void()> task) {
  const MutexLock lock(mutex_);
  if (idle_ <= tasks_.size() && threads_ < max_threads_) {
    try {
      std::thread([this] { Work(); }).detach();
      ++threads_;
      // no more threads available: the existing ones run the task
    } catch (const std::system_error&) {
      if (threads_ == 0) return false;
    }
  }
  if (tasks_.size() >= waiting_) return false;
  tasks_.push_back(std::move(task));
  changed_.NotifyAll();
  return true;
}

void CallPool::Work() {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  mutex_.Lock();
  for (auto end = now() + kIdleTime; now() < end || !tasks_.empty();) {
    if (tasks_.empty()) {
      if (stopped_) break;
      ++idle_;
      changed_.WaitFor(mutex_, end - now());
      --idle_;
      continue;
    }
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    mutex_.Unlock();
    task();
    task = nullptr;
    mutex_.Lock();
    end = now() + kIdleTime;
  }
  --threads_;
  // notified under the lock: the destructor may free this object right after it
  changed_.NotifyAll();
  mutex_.Unlock();
}

}  // namespace runner
