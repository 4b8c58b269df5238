#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Annotations for clang's thread safety analysis (clang.llvm.org/docs/ThreadSafetyAnalysis.html);
// other compilers ignore them. With them, access to a guarded member without its lock does not
// compile.
#if defined(__clang__)
#define RUNNER_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define RUNNER_THREAD_ANNOTATION(x)
#endif

#ifndef GUARDED_BY  // abseil defines the same macros
#define GUARDED_BY(mutex) RUNNER_THREAD_ANNOTATION(guarded_by(mutex))
#endif
#define REQUIRES(...) RUNNER_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) RUNNER_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) RUNNER_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) RUNNER_THREAD_ANNOTATION(release_capability(__VA_ARGS__))

namespace runner {

// std::mutex with annotations. abseil's mutex has them too, but its packaged library is not built
// for ThreadSanitizer.
class RUNNER_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() ACQUIRE() { mutex_.lock(); }
  void Unlock() RELEASE() { mutex_.unlock(); }

 private:
  friend class Condition;
  std::mutex mutex_;
};

// Holds a mutex until the end of the scope.
class RUNNER_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable. Waits may end early, so the caller waits in a loop over the condition. The
// loop is written out because the analysis does not look into a predicate.
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
