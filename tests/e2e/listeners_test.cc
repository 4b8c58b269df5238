// Every port of both programs with peers that connect and send nothing, too slowly, or too much.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "common/base/address.h"
#include "common/base/unique_fd.h"
#include "runner/v1/dispatch.grpc.pb.h"
#include "tests/support/eventually.h"
#include "tests/support/http2_flood.h"
#include "tests/support/process_memory.h"
#include "tests/support/sanitizers.h"
#include "tests/support/system_test.h"
#include "tests/support/tcp_client.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;

// How often the threads of a process have waited (voluntary_ctxt_switches, proc(5)).
std::size_t Wakeups(pid_t pid) {
  std::size_t sum = 0;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream status(task.path() / "status");
    for (std::string word; status >> word;) {
      std::size_t count = 0;
      if (word == "voluntary_ctxt_switches:" && status >> count) sum += count;
    }
  }
  return sum;
}

class ListenersTest : public SystemTest {
 protected:
  void SetUp() override {
    SystemTest::SetUp();
    if (system_) system_->StartWithoutPeer({system_->TestAgent(), "exit"});
  }

  static std::uint16_t GrpcPort(const ServiceProcess& service) {
    return ParseAddress(service.grpc())->port;
  }
  static std::map<std::string, std::uint16_t> Ports(const ServiceProcess& service) {
    return {{"health", static_cast<std::uint16_t>(service.health_port())},
            {"metrics", static_cast<std::uint16_t>(service.metrics_port())},
            {"grpc", GrpcPort(service)}};
  }
  // The duration of the slower of a probe and a scrape.
  static Seconds Probe(const ServiceProcess& service) {
    Seconds slowest{};
    for (const int probe : {0, 1}) {
      const auto began = std::chrono::steady_clock::now();
      if (probe == 0) {
        EXPECT_EQ(service.Health("/healthz").status, 200) << service.name();
      } else {
        EXPECT_FALSE(service.Scrape().empty()) << service.name();
      }
      slowest = std::max<Seconds>(slowest, std::chrono::steady_clock::now() - began);
    }
    return slowest;
  }
  void ExpectWorking() {
    EXPECT_EQ(system_->AwaitFinished(system_->Submit("web-" + std::to_string(++runs_))).status(),
              "success");
  }

  // The time limit of a probe (kubelet's default); longer for slower builds.
  static constexpr Seconds kProbeTime = kSanitized ? 3s : 1s;

 private:
  int runs_ = 0;
};

TEST_F(ListenersTest, FortySilentConnectionsASecondDoNotDelayProbes) {
  constexpr auto kTime = 3s;
  for (ServiceProcess* service : system_->services()) {
    for (const auto& [name, port] : Ports(*service)) {
      std::vector<UniqueFd> silent;
      Seconds slowest{};
      const auto began = std::chrono::steady_clock::now();
      for (auto now = began; now - began < kTime; now = std::chrono::steady_clock::now()) {
        while (silent.size() < static_cast<std::size_t>(40 * Seconds(now - began).count())) {
          silent.push_back(ConnectTo(port));
        }
        slowest = std::max(slowest, Probe(*service));
      }
      std::cout << service->name() << ", " << name << ": " << silent.size()
                << " silent connections, slowest probe " << slowest.count() << " s\n";
      EXPECT_LT(slowest, kProbeTime) << service->name() << " " << name;
    }
  }
  ExpectWorking();
}

TEST_F(ListenersTest, FourHundredConnectionsOnEveryPortDoNotDelayProbes) {
  std::vector<UniqueFd> connections;
  for (const std::string text : {"", "GET /heal", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}) {
    for (ServiceProcess* service : system_->services()) {
      for (const auto& [name, port] : Ports(*service)) {
        for (int i = 0; i < 400; ++i) {
          connections.push_back(ConnectTo(port));
          ASSERT_TRUE(connections.back()) << name;
          SendText(connections.back(), text);
        }
      }
      const Seconds took = Probe(*service);
      std::cout << service->name() << ": a probe beside 1,200 connections that sent \""
                << text.substr(0, 9) << "\" takes " << took.count() << " s\n";
      EXPECT_LT(took, kProbeTime) << service->name();
    }
    connections.clear();
  }
  EXPECT_EQ(system_->Admin().Status().executors_size(), 1);
  ExpectWorking();
}

// A program without free descriptors accepts again when it has some.
TEST_F(ListenersTest, EveryPortAcceptsAgainAfterAShortageOfDescriptors) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  for (ServiceProcess* service : system_->services()) {
    const pid_t pid = service->process().pid();
    rlimit before{};
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &before), 0);
    const rlimit shortage{0, before.rlim_max};
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &shortage, nullptr), 0);
    std::vector<UniqueFd> waiting;
    for (const auto& [name, port] : Ports(*service)) waiting.push_back(ConnectTo(port));
    // Every thread with something to accept has run by then.
    const std::size_t wakeups = Wakeups(pid);
    EXPECT_TRUE(Eventually([&] { return Wakeups(pid) >= wakeups + 20; }));
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &before, nullptr), 0);
    // The gRPC server answers the HTTP/2 preface with its settings.
    SendText(waiting[0], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    char byte = 0;
    EXPECT_EQ(::recv(waiting[0].Get(), &byte, 1, 0), 1) << service->name();
    SendText(waiting[1], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(ReadToEnd(waiting[1]), ::testing::StartsWith("HTTP/1.1 200")) << service->name();
    Probe(*service);
  }
  EXPECT_EQ(system_->Admin().Status().executors_size(), 1);
  ExpectWorking();
}

TEST_F(ListenersTest, FloodsOfStreamsAreBoundedInThreadsAndMemory) {
  using Kind = Http2Flood::Kind;
  const std::vector<std::pair<std::string, Kind>> floods = {
      {"/x.Y/z", Kind::kReset},
      {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Kind::kReset},
      {"/runner.v1.IngestAdmin/GetStatus", Kind::kCallThenReset},
      {"/runner.v1.ExecutorAdmin/GetStatus", Kind::kCallThenReset},
      {"/runner.v1.IngestAdmin/GetStatus", Kind::kOpen},
      {"/runner.v1.Dispatcher/Attach", Kind::kReset}};
  constexpr std::size_t kStreams = 500'000;
  for (ServiceProcess* service : system_->services()) {
    const pid_t pid = service->process().pid();
    const std::size_t before = ResidentMemory(pid);
    int threads = 0;
    for (const auto& [path, kind] : floods) {
      Http2Flood flood(GrpcPort(*service), path, kind);
      EXPECT_LT(flood.Send(kStreams), kStreams) << path;
      threads = std::max(threads, ThreadsOf(pid));
    }
    const std::size_t grown = PeakResidentMemory(pid) - before;
    std::cout << service->name() << ": " << threads << " threads, " << grown / 1'000'000
              << " MB more than before\n";
    EXPECT_LE(threads, 32) << service->name();
    if (!kSanitized) {
      EXPECT_LT(grown, 300'000'000u) << service->name();
    }
    Probe(*service);
  }
  EXPECT_TRUE(Eventually([&] { return system_->Admin().Status().executors(0).attached(); }));
  ExpectWorking();
}

// Each field takes 115 times its size in memory (gRPC 1.51).
TEST_F(ListenersTest, EndlessHeaderBlocksAreBoundedInMemory) {
  if (kSanitized) GTEST_SKIP() << "sanitizers keep freed memory";
  constexpr auto kTime = 3s;
  for (ServiceProcess* service : system_->services()) {
    const pid_t pid = service->process().pid();
    const std::size_t before = ResidentMemory(pid);
    const auto end = std::chrono::steady_clock::now() + kTime;
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&] {
        while (std::chrono::steady_clock::now() < end) {
          Http2Flood(GrpcPort(*service), "/x.Y/z", Http2Flood::Kind::kHeaderBlock).Send(500'000);
        }
      });
    }
    Seconds slowest{};
    while (std::chrono::steady_clock::now() < end) slowest = std::max(slowest, Probe(*service));
    for (std::thread& client : clients) client.join();
    const std::size_t grown = PeakResidentMemory(pid) - before;
    std::cout << service->name() << ": " << grown / 1'000'000
              << " MB more than before, slowest probe " << slowest.count() << " s\n";
    EXPECT_LT(grown, 350'000'000u) << service->name();
    EXPECT_LT(slowest, kProbeTime) << service->name();
    EXPECT_TRUE(
        service->log().Has("Connections closed", {{"server", "grpc"}, {"reason", "flood"}}));
  }
  EXPECT_TRUE(Eventually([&] { return system_->Admin().Status().executors(0).attached(); }));
  ExpectWorking();
}

TEST_F(ListenersTest, ManyConnectionsDetachNoExecutor) {
  const std::size_t before =
      system_->executor().log().With("Not attached to ingest, retrying").size();
  std::vector<UniqueFd> crowd;  // ingest keeps 768 of one address
  for (int i = 0; i < 1'100; ++i) {
    crowd.push_back(ConnectTo(GrpcPort(system_->ingest())));
    SendText(crowd.back(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  }
  EXPECT_TRUE(Eventually([&] {
    return system_->ingest().log().Has("Connections closed",
                                       {{"server", "grpc"}, {"reason", "too many connections"}});
  }));
  ExpectWorking();
  EXPECT_EQ(system_->executor().log().With("Not attached to ingest, retrying").size(), before);
}

// Messages of the largest size, keep-alives without a pause, and results of the largest size.
TEST_F(ListenersTest, OrdinaryTrafficClosesNoConnection) {
  const auto stub = v1::Dispatcher::NewStub(
      grpc::CreateChannel(system_->ingest().grpc(), grpc::InsecureChannelCredentials()));
  v1::ExecutorMessage hello;
  hello.mutable_hello()->set_executor_id("large");
  hello.mutable_hello()->set_version(std::string((4 << 20) - 1'000, 'v'));
  for (int i = 0; i < 40; ++i) {
    grpc::ClientContext context;
    const auto stream = stub->Attach(&context);
    stream->Write(hello);
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  }
  {
    hello.mutable_hello()->set_version("1");
    hello.mutable_hello()->set_boot_id("1");
    hello.mutable_hello()->set_slots(1);
    hello.mutable_hello()->mutable_stop_budget()->set_seconds(10);
    grpc::ClientContext context;
    const auto stream = stub->Attach(&context);
    ASSERT_TRUE(stream->Write(hello));
    v1::IngestMessage answer;
    ASSERT_TRUE(stream->Read(&answer));
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
      v1::ExecutorMessage keep_alive;
      keep_alive.mutable_keep_alive()->set_seq(i);
      ASSERT_TRUE(stream->Write(keep_alive)) << i;
      ASSERT_TRUE(stream->Read(&answer)) << i;
    }
    stream->WritesDone();
    stream->Finish();
  }
  ExpectWorking();
  EXPECT_FALSE(system_->ingest().log().Has("Connections closed"));
}

TEST_F(ListenersTest, IdleProcessesHaveAtMostSixteenThreads) {
  for (ServiceProcess* service : system_->services()) {
    const pid_t pid = service->process().pid();
    // Idle threads of a pool end after some seconds.
    EXPECT_TRUE(Eventually([&] { return ThreadsOf(pid) <= 16; }))
        << service->name() << ": " << ThreadsOf(pid);
    std::cout << service->name() << ": " << ThreadsOf(pid) << " threads\n";
  }
}

class DescriptorLimitTest : public SystemTest {
 protected:
  // Starts an executor with these limits of open files, and an agent that writes its own limit.
  ServiceProcess& StartLimited(int soft, int hard) {
    const auto wrapper = system_->directory() / "limited-executor";
    std::ofstream(wrapper) << "#!/bin/sh\nulimit -Sn " << soft << " && ulimit -Hn " << hard
                           << " && exec " RUNNER_EXECUTOR " \"$@\"\n";
    std::filesystem::permissions(wrapper, std::filesystem::perms::owner_all);
    system_->StartIngest();
    ServiceProcess& executor =
        system_->StartExecutor({system_->ScriptAgent("ulimit -Sn\n")}, {}, {}, wrapper);
    system_->AwaitAttached();
    return executor;
  }
  std::string RunAndRead() {
    const v1::IncidentStatus done = system_->AwaitFinished(system_->Submit("web-0"));
    EXPECT_EQ(done.status(), "success") << done.reason();
    return ReadFile(system_->Workspace(done.incident().incident_id()) / "agent.stdout.log");
  }
};

TEST_F(DescriptorLimitTest, TheExecutorRaisesItsLimitAndAgentsKeepTheOldOne) {
  const ServiceProcess& executor = StartLimited(200, 2'000);
  EXPECT_EQ(executor.Metrics().Sum("process_max_fds", {}), 2'000);
  EXPECT_EQ(RunAndRead(), "200\n");
}

TEST_F(DescriptorLimitTest, AThousandIdleConnectionsEndNoRun) {
  const ServiceProcess& executor = StartLimited(1'024, 1'024);
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 1'009; ++i) {
    idle.push_back(ConnectTo(ParseAddress(executor.grpc())->port));
  }
  EXPECT_EQ(RunAndRead(), "1024\n");
  EXPECT_EQ(executor.Health("/healthz").status, 200);
}

}  // namespace
}  // namespace runner
