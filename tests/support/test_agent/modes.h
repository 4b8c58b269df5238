#pragma once

#include <cstddef>
#include <functional>
#include <string>

// The modes of runner-test-agent. Each returns an exit code, if it returns.
namespace runner::test_agent {

// --- show the environment of an agent ---
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

// --- attack the supervisors ---
int KillShim();
int KillExecutorGroup();
int SignalExecutor(const std::string& once);
int LookIntoExecutor();
int ForgeRecord();
int SpoilResult();

// --- exhaust resources ---
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

// No process of an agent lives longer than this, even if the test fails to end it.
inline constexpr unsigned kLifetimeSeconds = 30;

// Sleeps until a signal, or the end of the lifetime.
[[noreturn]] void SleepOut();
// Writes all of it to stdout.
void Print(const std::string& text);
// Runs `child` in a new process with its own lifetime; returns when that has reported that it is
// ready, or has ended.
void ForkAndAwait(const std::function<void()>& child, bool keep_stdio = false);
void DeclareReady();

}  // namespace runner::test_agent
