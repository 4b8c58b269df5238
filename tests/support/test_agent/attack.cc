#include <cstdio>
#include <cstdlib>
#include <string>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test_agent/modes.h"

namespace runner::test_agent {
namespace {

// The parent of a process, from proc(5) stat; 0 when that cannot be read. A command name may hold
// anything, so the fields are counted from its last parenthesis.
pid_t ParentOf(pid_t pid) {
  std::FILE* const file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
  if (file == nullptr) return 0;
  char text[1024] = {};
  const std::size_t got = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  const std::string line(text, got);
  const auto end = line.rfind(')');
  int parent = 0;
  if (end == std::string::npos || std::sscanf(line.c_str() + end, ") %*c %d", &parent) != 1)
    return 0;
  return parent;
}

}  // namespace

int KillShim() {
  ForkAndAwait([] {
    ::setsid();
    ::signal(SIGTERM, SIG_IGN);
    DeclareReady();
    SleepOut();
  });
  ::kill(::getppid(), SIGKILL);
  SleepOut();
}

// Only a group that the executor leads: another one may hold the test itself.
int KillExecutorGroup() {
  const pid_t executor = ParentOf(::getppid());
  if (executor <= 1 || ::getpgid(executor) != executor) return 65;
  ::kill(-executor, SIGTERM);
  SleepOut();
}

// Leaves a record as a shim would, a process, and no shim.
int ForgeRecord() {
  const std::string id = std::getenv("RUNNER_INCIDENT_ID");
  const std::string attempt = std::getenv("RUNNER_ATTEMPT");
  std::FILE* const file = std::fopen(("../.spool/" + id + "." + attempt + ".json").c_str(), "w");
  if (file == nullptr) return 1;
  std::fprintf(file,
               R"({"incident_id":"%s","attempt":%s,"exit_code":0,"signal":0,"spawn_errno":0,)"
               R"("log_errno":0,"timed_out":false,"stopped":"none","orphans_killed":0,)"
               R"("contained":true,"started_at_ns":1,"finished_at_ns":2,"duration_ns":1,)"
               R"("stdout_bytes":0,"stdout_dropped_bytes":0,"stderr_bytes":0,)"
               R"("stderr_dropped_bytes":0,"oom":false,"disk_full":false})",
               id.c_str(), attempt.c_str());
  std::fclose(file);
  LeaveDaemon();
  ::kill(::getppid(), SIGKILL);
  SleepOut();
}

int SpoilResult() {
  return ::mkdir("result.json", 0700) == 0 && ::mkdir(".result.json.tmp", 0700) == 0 &&
                 ::chmod(".", 0500) == 0
             ? 0
             : 1;
}

}  // namespace runner::test_agent
