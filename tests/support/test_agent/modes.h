#pragma once

#include <cstddef>
#include <functional>
#include <string>

// What runner-test-agent can do to whoever runs it. Each returns an exit code, if it returns.
namespace runner::test_agent {

// --- show what an agent is given ---
int PrintEnvironment();
int PrintDescriptors();
int PrintSignals();
int PrintSession();
int PrintDirectory();
int CopyStdin();

// --- do not end ---
int IgnoreTerm();
int ObeyTerm();
int StopItself();

// --- leave processes behind ---
int LeaveSetsidChild();
int LeaveDaemon();
int LeaveStdoutHolder();
int LeaveHopper();
int LeaveZombies();
int LeaveStorm(std::size_t processes, bool in_sessions_of_their_own);
int EndTraced();

// --- attack whoever supervises ---
int KillShim();
int KillExecutorGroup();
int SignalExecutor(const std::string& once);
int LookIntoExecutor();
int ForgeRecord();
int SpoilResult();

// --- use up ---
int Flood(std::size_t bytes, bool binary);
int TouchMemory(std::size_t mebibytes);
int FillWorkspace(std::size_t bytes);
int MapRemoved(std::size_t mebibytes);
int ExhaustDescriptors();
int ExhaustProcesses(std::size_t most);

// --- the report ---
int CloseStdio();
int WriteReport(std::size_t bytes);
int MakeReportFifo();
int MakeReportDirectory();
int LinkReport(const std::string& target, bool hard);
int MakeHugeReport();
int SwapEntries(const std::string& target, std::size_t milliseconds);

// --- for the modes ---

// No process of an agent outlives this, whatever the test that should have ended it did.
inline constexpr unsigned kLifetimeSeconds = 30;

// Until a signal, or the end of the lifetime.
[[noreturn]] void SleepOut();
// All of it to stdout.
void Say(const std::string& text);
// Runs `child` in a new process, which has a lifetime of its own, and returns when it has said that
// it is ready, or has ended.
void ForkAndAwait(const std::function<void()>& child, bool keep_stdio = false);
void DeclareReady();

}  // namespace runner::test_agent
