// A reader of stderr that stops, resumes, or closes.

#include "tests/support/log_reader.h"

#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Not;

class LogReaderTest : public SystemTest {
 protected:
  void SetUp() override {
    SystemTest::SetUp();
    system_->ReadLogsThroughPipes();
    system_->StartWithoutPeer({"/bin/true"});
  }
  void StopReading() {
    for (ServiceProcess* service : system_->services()) system_->ReaderOf(*service).Stop();
  }
  // True if a SIGHUP is pending for the process (proc(5), status: the lowest bit).
  static bool IsPending(pid_t pid) {
    const std::string status = ReadFile("/proc/" + std::to_string(pid) + "/status");
    const auto line = status.find("\nShdPnd:");
    const auto end = status.find('\n', line + 1);
    return line != std::string::npos && (status[end - 1] - '0') % 2 != 0;
  }
  // Sends SIGHUPs, one line each, until the program has dropped lines. Each waits until the
  // previous one was handled.
  static void FillLog(ServiceProcess& service) {
    ASSERT_TRUE(Eventually(
        [&] {
          for (int i = 0; i < 4'000; ++i) {
            service.process().Signal(SIGHUP);
            while (IsPending(service.process().pid())) std::this_thread::yield();
          }
          return Dropped(service) > 0;
        },
        50s))
        << service.name();
  }
  static double Dropped(const ServiceProcess& service) {
    return service.Metrics().Sum("log_lines_dropped_total");
  }
  void ExpectAtWork(const std::string& incident) {
    for (ServiceProcess* service : system_->services()) {
      EXPECT_EQ(service->Health("/healthz").status, 200) << service->name();
    }
    EXPECT_EQ(system_->AwaitFinished(system_->Submit(incident)).status(), "success");
  }
  void ExpectEndInTime() {
    for (ServiceProcess* service : system_->services()) {
      service->Terminate();
      const auto exit = service->WaitForExit(5s);  // 1 s of it for the log
      EXPECT_EQ(exit, 0) << service->name();
    }
  }
};

TEST_F(LogReaderTest, AStoppedLogReaderDoesNotBlockWork) {
  StopReading();
  for (ServiceProcess* service : system_->services()) FillLog(*service);
  ExpectAtWork("web-0");
  ExpectEndInTime();
  for (ServiceProcess* service : system_->services()) system_->ReaderOf(*service).GoOn();
}

TEST_F(LogReaderTest, AResumedLogReaderReceivesTheNumberOfDroppedLines) {
  StopReading();
  for (ServiceProcess* service : system_->services()) FillLog(*service);
  for (ServiceProcess* service : system_->services()) {
    system_->ReaderOf(*service).GoOn();
    ASSERT_TRUE(Eventually([&] { return service->log().Has("Log lines dropped"); }))
        << service->name();
    std::int64_t lines = 0;
    for (const auto& line : service->log().With("Log lines dropped")) {
      lines += line.at("lines").get<std::int64_t>();
      EXPECT_EQ(line.at("level"), "warn");
    }
    EXPECT_EQ(static_cast<double>(lines), Dropped(*service)) << service->name();
  }
  const std::string id = system_->Submit("web-0");
  system_->AwaitFinished(id);
  EXPECT_TRUE(Eventually(
      [&] { return system_->ingest().log().Has("Incident finished", {{"incident_id", id}}); }));
}

TEST_F(LogReaderTest, AClosedLogReaderDoesNotBlockWork) {
  for (ServiceProcess* service : system_->services()) system_->ReaderOf(*service).Close();
  for (ServiceProcess* service : system_->services()) {
    service->process().Signal(SIGHUP);
    EXPECT_TRUE(Eventually([&] { return Dropped(*service) > 0; })) << service->name();
  }
  ExpectAtWork("web-0");
  ExpectEndInTime();
}

TEST_F(LogReaderTest, AClosedStderrIsNotReused) {
  const std::string port = std::to_string(FreePort());
  ChildProcess::Command command;
  command.argv = {"/bin/sh",
                  "-c",
                  "exec \"$0\" \"$@\" 2>&-",
                  RUNNER_INGEST,
                  "--mcp-endpoint",
                  "http://127.0.0.1:9/mcp",
                  "--bind-address",
                  "127.0.0.1",
                  "--metrics-port",
                  "0",
                  "--grpc-listen",
                  "127.0.0.1:0",
                  "--health-port",
                  port};
  command.directory = system_->directory();
  command.stdout_file = command.stderr_file = system_->directory() / "closed.out";
  ChildProcess process(command);
  const std::string url = "http://127.0.0.1:" + port + "/healthz";
  ASSERT_TRUE(Eventually([&] { return HttpGet(url).status == 200; }));
  const auto fd = "/proc/" + std::to_string(process.pid()) + "/fd/2";
  EXPECT_EQ(std::filesystem::read_symlink(fd), "/dev/null");
  process.Terminate();
  EXPECT_EQ(process.WaitForExit(5s), 0);
}

TEST_F(LogReaderTest, AFatalMessageDoesNotWaitForTheLogReader) {
  const auto fifo = system_->directory() / "refused.fifo";
  LogReader reader(fifo, system_->directory() / "refused.log");
  reader.Stop();
  {
    const UniqueFd other(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    while (::write(other.Get(), "x", 1) == 1) {
    }
  }
  ChildProcess::Command command;
  command.argv = {RUNNER_INGEST, "--max-queue-age=never"};
  command.directory = system_->directory();
  command.stdout_file = system_->directory() / "refused.out";
  command.stderr_file = fifo;
  ChildProcess process(command);
  EXPECT_EQ(process.WaitForExit(5s), 78);
}

}  // namespace
}  // namespace runner
