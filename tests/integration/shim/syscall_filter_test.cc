// The filter alone, in a child of the test process, which plays the executor.

#include "executor/shim/syscall_filter.h"

#include <cerrno>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/ioprio.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/shim/children.h"

namespace runner::executor {
namespace {

// Calls on another process that return 0 or more on success and change nothing.
using Ways = std::map<std::string, std::function<long(pid_t)>>;

Ways Signals() {
  const auto queue = [](long call, pid_t pid) {
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    return call == SYS_rt_sigqueueinfo ? ::syscall(call, pid, 0, &info)
                                       : ::syscall(call, pid, pid, 0, &info);
  };
  return {{"kill", [](pid_t pid) { return ::kill(pid, 0); }},
          {"tkill", [](pid_t pid) { return ::syscall(SYS_tkill, pid, 0); }},
          {"sigqueue", [=](pid_t pid) { return queue(SYS_rt_sigqueueinfo, pid); }},
          {"F_SETOWN", [](pid_t pid) { return ::fcntl(0, F_SETOWN, pid); }},
          {"F_SETOWN_EX",
           [](pid_t pid) {
             const f_owner_ex owner{F_OWNER_PID, pid};
             return ::fcntl(0, F_SETOWN_EX, &owner);
           }},
          {"FIOSETOWN", [](pid_t pid) { return ::ioctl(0, FIOSETOWN, &pid); }}};
}

Ways Scheduling() {
  return {{"sched_setaffinity",
           [](pid_t pid) {
             cpu_set_t cpus;
             return ::sched_getaffinity(pid, sizeof cpus, &cpus) |
                    ::sched_setaffinity(pid, sizeof cpus, &cpus);
           }},
          {"sched_setscheduler",
           [](pid_t pid) {
             const sched_param parameters{};
             return ::syscall(SYS_sched_setscheduler, pid, SCHED_OTHER, &parameters);
           }},
          {"sched_setparam",
           [](pid_t pid) {
             const sched_param parameters{};
             return ::syscall(SYS_sched_setparam, pid, &parameters);
           }},
          {"sched_setattr",
           [](pid_t pid) {
             struct {
               unsigned size = 48, policy = 0;
               unsigned long long flags = 0;
               int nice = 0;
               unsigned priority = 0;
               unsigned long long runtime = 0, deadline = 0, period = 0;
             } attributes;
             errno = 0;
             attributes.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(pid));
             return ::syscall(SYS_sched_setattr, pid, &attributes, 0);
           }},
          {"setpriority",
           [](pid_t pid) {
             const auto id = static_cast<id_t>(pid);
             return ::setpriority(PRIO_PROCESS, id, ::getpriority(PRIO_PROCESS, id));
           }},
          {"ioprio_set",
           [](pid_t pid) { return ::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, 0); }}};
}

long SetLimit(pid_t pid) {
  rlimit limit{};
  return ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) |
         ::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr);
}

long GetLimit(pid_t pid) {
  rlimit limit{};
  return ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit);
}

class SyscallFilterTest : public testing::Test {
 protected:
  void SetUp() override {
    shim_ = ::fork();
    if (shim_ == 0) {
      ::setsid();
      ::alarm(30);
      for (;;) ::pause();
    }
  }
  void TearDown() override {
    ::kill(shim_, SIGKILL);
    ::waitpid(shim_, nullptr, 0);
  }

  // Returns the result of `succeeded` in a filtered child.
  std::string Filtered(const std::function<std::string()>& succeeded) const {
    pid_t threads[SyscallFilter::kMaxThreads];
    const std::size_t count = ListThreads(::getpid(), threads, std::size(threads));
    const SyscallFilter filter(::getpid(), ::getpgrp(), shim_, threads, count);
    int out[2];
    if (::pipe(out) != 0) return "no pipe";
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(out[0]);
      ::close(0);
      ::dup2(out[1], 0);  // FIOSETOWN needs a pipe or a socket
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      const std::string names = filter.Install() ? succeeded() : " no filter";
      [[maybe_unused]] const auto wrote = ::write(out[1], names.data(), names.size());
      ::_exit(0);
    }
    ::close(out[1]);
    std::string all;
    char buffer[4096];
    for (ssize_t got; (got = ::read(out[0], buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(out[0]);
    ::waitpid(child, nullptr, 0);
    return all;
  }
  static std::string Succeeding(const Ways& ways, pid_t pid) {
    std::string names;
    for (const auto& [name, way] : ways) {
      if (way(pid) >= 0) names += " " + name;
    }
    return names;
  }
  static std::string Names(const Ways& ways) {
    std::string names;
    for (const auto& [name, way] : ways) names += " " + name;
    return names;
  }

  pid_t shim_ = -1;
};

TEST_F(SyscallFilterTest, NoSignalReachesTheExecutor) {
  const pid_t executor = ::getpid();
  EXPECT_EQ(Filtered([&] { return Succeeding(Signals(), executor); }), "");
}

TEST_F(SyscallFilterTest, NoSignalReachesAThreadOfTheExecutor) {
  std::promise<pid_t> id;
  std::promise<void> end;
  std::thread thread([&] {
    id.set_value(::gettid());
    end.get_future().wait();
  });
  const pid_t other = id.get_future().get();
  EXPECT_EQ(Filtered([&] { return Succeeding(Signals(), other); }), "");
  EXPECT_EQ(Filtered([&] { return Succeeding(Scheduling(), other); }), "");
  end.set_value();
  thread.join();
}

TEST_F(SyscallFilterTest, HoldsTheMaximumNumberOfThreads) {
  std::vector<pid_t> threads(2 * SyscallFilter::kMaxThreads);
  std::iota(threads.begin(), threads.end(), 1'000'000'000);
  const SyscallFilter filter(::getpid(), ::getpgrp(), shim_, threads.data(), threads.size());
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!filter.Install()) ::_exit(1);
    ::_exit(::kill(threads[SyscallFilter::kMaxThreads - 1], 0) == -1 && errno == EPERM ? 0 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(SyscallFilterTest, LimitsOfOtherProcessesCannotBeSet) {
  const pid_t executor = ::getpid();
  const Ways set = {{"prlimit", SetLimit}};
  EXPECT_EQ(Filtered([&] { return Succeeding(set, executor); }), "");
  EXPECT_EQ(Filtered([&] { return Succeeding(set, shim_); }), "");
  EXPECT_EQ(Filtered([&] { return Succeeding(set, 0); }), " prlimit");
  EXPECT_EQ(Filtered([&] { return Succeeding({{"get", GetLimit}}, executor); }), " get");
}

TEST_F(SyscallFilterTest, SchedulingOfExecutorAndShimCannotBeSet) {
  const pid_t executor = ::getpid();
  EXPECT_EQ(Filtered([&] { return Succeeding(Scheduling(), executor); }), "");
  EXPECT_EQ(Filtered([&] { return Succeeding(Scheduling(), shim_); }), "");
}

TEST_F(SyscallFilterTest, PrioritiesOfTheirGroupsAndTheirUserCannotBeSet) {
  // If permitted, they fail with ESRCH for a user without processes.
  const auto set = [](int which, int io_which, unsigned who) {
    return Ways{
        {"setpriority",
         [=](pid_t) { return ::setpriority(which, who, 0) == 0 || errno != EPERM ? 0 : -1; }},
        {"ioprio_set", [=](pid_t) {
           return ::syscall(SYS_ioprio_set, io_which, who, 0) == 0 || errno != EPERM ? 0 : -1;
         }}};
  };
  constexpr unsigned kNobody = 4'000'000'000;
  const Ways of_group = set(PRIO_PGRP, IOPRIO_WHO_PGRP, static_cast<unsigned>(::getpgrp()));
  const Ways of_shim = set(PRIO_PGRP, IOPRIO_WHO_PGRP, static_cast<unsigned>(shim_));
  const Ways of_user = set(PRIO_USER, IOPRIO_WHO_USER, kNobody);
  EXPECT_EQ(Filtered([&] { return Succeeding(of_group, 0); }), "");
  EXPECT_EQ(Filtered([&] { return Succeeding(of_shim, 0); }), "");
  EXPECT_EQ(Filtered([&] { return Succeeding(of_user, 0); }), "");
}

TEST_F(SyscallFilterTest, AgentsMayStillActOnThemselves) {
  Ways itself = Signals();
  itself.erase("F_SETOWN_EX");
  itself.erase("FIOSETOWN");
  EXPECT_EQ(Filtered([&] { return Succeeding(itself, ::getpid()); }), Names(itself));
  EXPECT_EQ(Filtered([&] { return Succeeding(Scheduling(), ::getpid()); }), Names(Scheduling()));
  EXPECT_EQ(Filtered([&] { return Succeeding(Scheduling(), 0); }), Names(Scheduling()));
}

}  // namespace
}  // namespace runner::executor
