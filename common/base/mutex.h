#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// The annotations of clang's thread safety analysis
// (clang.llvm.org/docs/ThreadSafetyAnalysis.html); other compilers skip them. With them a guarded
// member touched without its lock does not compile.
#if defined(__clang__)
#define RUNNER_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define RUNNER_THREAD_ANNOTATION(x)
#endif

#ifndef GUARDED_BY  // abseil has the same
#define GUARDED_BY(mutex) RUNNER_THREAD_ANNOTATION(guarded_by(mutex))
#endif
#define REQUIRES(...) RUNNER_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) RUNNER_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) RUNNER_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) RUNNER_THREAD_ANNOTATION(release_capability(__VA_ARGS__))

namespace runner {

// std::mutex with annotations. Not abseil's, which has them too: its packaged library is not built
// for ThreadSanitizer.
class RUNNER_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() ACQUIRE() { mutex_.lock(); }
  void Unlock() RELEASE() { mutex_.unlock(); }

 private:
  friend class Condition;
  std::mutex mutex_;
};

// Holds a mutex for a scope.
class RUNNER_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable. Waits may end early, so they stand in a loop over what is waited for:
// written out, for the analysis does not see into a predicate.
class Condition {
 public:
  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void WaitFor(Mutex& mutex, std::chrono::nanoseconds time) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, time);
    lock.release();
  }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace runner
