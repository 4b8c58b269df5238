// Rows of tests/faults.md about executors, with the real programs.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/resource.h>

#include "runner/v1/dispatch.grpc.pb.h"
#include "tests/support/eventually.h"
#include "tests/support/process_memory.h"
#include "tests/support/sanitizers.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::SizeIs;

class FaultRowsTest : public SystemTest {
 protected:
  double Ingest(const std::string& name, const MetricsText::Labels& labels = {}) {
    return system_->ingest().Metrics().Sum(name, labels);
  }
  std::string Path(const std::string& name) { return system_->directory() / name; }
};

// Attaches, grants credits, and never reads.
class NonReadingExecutor {
 public:
  NonReadingExecutor(const std::string& ingest, std::uint32_t slots)
      : stub_(v1::Dispatcher::NewStub(ChannelTo(ingest))), stream_(stub_->Attach(&context_)) {
    v1::ExecutorMessage message;
    message.mutable_hello()->set_executor_id("executor");
    message.mutable_hello()->set_slots(slots);
    stream_->Write(message);
    message.mutable_credits()->set_total(slots);
    stream_->Write(message);
  }
  ~NonReadingExecutor() {
    context_.TryCancel();
    stream_->Finish();
  }

 private:
  std::unique_ptr<v1::Dispatcher::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ExecutorMessage, v1::IngestMessage>> stream_;
};

TEST_F(FaultRowsTest, OffersToAnExecutorThatNeverReadsRunOnAnother) {
  system_->StartIngest({"--max-agents-per-cluster", "10"});
  const auto executor = std::make_unique<NonReadingExecutor>(system_->ingest_address(), 2);
  ASSERT_TRUE(Eventually([this] { return Ingest("executors_connected") == 1; }));
  for (const char* name : {"a", "b", "c"}) system_->Submit(name);
  EXPECT_EQ(Ingest("incidents_leased"), 2) << "its credits";
  system_->StartExecutor({system_->TestAgent(), "exit"});
  EXPECT_TRUE(Eventually(
      [this] { return Ingest("incidents_finished_total", {{"status", "success"}}) == 3; }, 30s));
  EXPECT_EQ(Ingest("events_requeued_total"), 2);
}

// Attaches and sends no keep-alive; reads only on request.
class SilentExecutor {
 public:
  SilentExecutor(const std::string& ingest, const std::string& id, std::uint32_t slots)
      : stub_(v1::Dispatcher::NewStub(ChannelTo(ingest))), stream_(stub_->Attach(&context_)) {
    v1::ExecutorMessage message;
    message.mutable_hello()->set_executor_id(id);
    message.mutable_hello()->set_slots(slots);
    stream_->Write(message);
    Grant(slots);
  }
  ~SilentExecutor() {
    context_.TryCancel();
    stream_->Finish();
  }

  bool Grant(std::uint64_t total) {
    v1::ExecutorMessage message;
    message.mutable_credits()->set_total(total);
    return stream_->Write(message);
  }
  // Accepts leases that ingest does not know. Each Accepted causes a Cancel, and together they
  // exceed the windows of HTTP/2.
  void FillWindow() {
    v1::ExecutorMessage message;
    v1::Lease& lease = *message.mutable_accepted()->mutable_lease();
    lease.set_incident_id("01890000-0000-7000-8000-000000000001");
    lease.set_attempt(1);
    for (int i = 0; i < 5000 && stream_->Write(message); ++i) {
    }
  }

 private:
  std::unique_ptr<v1::Dispatcher::Stub> stub_;
  struct Context : grpc::ClientContext {
    Context() { set_deadline(std::chrono::system_clock::now() + 60s); }
  } context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ExecutorMessage, v1::IngestMessage>> stream_;
};

TEST_F(FaultRowsTest, AStoppedExecutorIsDetachedAndItsIncidentRunsOnAnother) {
  const std::string agent = system_->ScriptAgent("echo $RUNNER_ATTEMPT >>" + Path("runs") +
                                                 "\n[ $RUNNER_ATTEMPT = 2 ] || sleep 60\n");
  system_->StartIngest({"--lease-ttl", "2"});
  ServiceProcess& stuck = system_->StartExecutor({agent}, {"--executor-id", "stuck"});
  system_->AwaitAttached();
  const std::string id = system_->Submit("a");
  system_->AwaitAgentStarted(id);
  stuck.process().Signal(SIGSTOP);
  EXPECT_TRUE(Eventually([this] { return Ingest("executors_connected") == 0; }));
  EXPECT_TRUE(system_->ingest().log().Has("Executor detached after missing keep-alives",
                                          {{"executor_id", "stuck"}}));
  system_->StartExecutor({agent}, {"--executor-id", "other", "--workspace-root", Path("other")});
  const v1::IncidentStatus incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.attempt(), 2u);
  EXPECT_EQ(Ingest("leases_expired_total"), 1);
  stuck.process().Signal(SIGCONT);
  // Its stream has ended; it reattaches, and its run is dropped.
  EXPECT_TRUE(Eventually([this] { return Ingest("executors_connected") == 2; }));
  EXPECT_TRUE(Eventually([&] {
    return stuck.log().Has("Agent finished", {{"incident_id", id}, {"status", "cancelled"}});
  }));
  EXPECT_EQ(Ingest("incidents_finished_total"), 1);
  EXPECT_EQ(ReadFile(Path("runs")), "1\n2\n");
}

TEST_F(FaultRowsTest, ABrieflyStoppedExecutorKeepsItsRun) {
  const std::string agent =
      system_->ScriptAgent("until [ -e " + Path("gate") + " ]; do sleep 0.02; done\n");
  system_->StartIngest({"--lease-ttl", "3"});
  ServiceProcess& stuck = system_->StartExecutor({agent});
  system_->AwaitAttached();
  const std::string id = system_->Submit("a");
  system_->AwaitAgentStarted(id);
  stuck.process().Signal(SIGSTOP);
  ASSERT_TRUE(Eventually([this] { return Ingest("executors_connected") == 0; }));
  stuck.process().Signal(SIGCONT);
  ASSERT_TRUE(Eventually([this] { return Ingest("executors_connected") == 1; }));
  WriteFile(Path("gate"), "");
  EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  EXPECT_EQ(Ingest("events_requeued_total"), 0);
}

TEST_F(FaultRowsTest, AStoppedIngestKeepsTheRunsOfItsExecutors) {
  const std::string agent =
      system_->ScriptAgent("until [ -e " + Path("gate") + " ]; do sleep 0.02; done\n");
  system_->StartIngest({"--lease-ttl", "1"});
  ServiceProcess& executor = system_->StartExecutor({agent});
  system_->AwaitAttached();
  const std::string id = system_->Submit("a");
  system_->AwaitAgentStarted(id);
  system_->ingest().process().Signal(SIGSTOP);
  // The executor ends the stream after the time to live without an acknowledged keep-alive.
  EXPECT_TRUE(Eventually([&] { return executor.log().Has("Not attached to ingest, retrying"); }));
  system_->ingest().process().Signal(SIGCONT);
  WriteFile(Path("gate"), "");
  const v1::IncidentStatus incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.attempt(), 1u);
  EXPECT_EQ(Ingest("events_requeued_total"), 0);
}

TEST_F(FaultRowsTest, AnExecutorThatSendsNoKeepAlivesIsDetached) {
  system_->StartIngest({"--lease-ttl", "2"});
  SilentExecutor rogue(system_->ingest_address(), "rogue", 1);
  ASSERT_TRUE(Eventually([this] { return Ingest("executors_connected") == 1; }));
  const std::string id = system_->Submit("a");
  EXPECT_TRUE(Eventually([&] {
    rogue.Grant(1);
    return Ingest("executors_connected") == 0;
  }));
  system_->StartExecutor({system_->TestAgent(), "exit"});
  EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
}

TEST_F(FaultRowsTest, TheCallOfAnExecutorThatDoesNotReadIsCancelled) {
  system_->StartIngest({"--lease-ttl", "2"});
  SilentExecutor rogue(system_->ingest_address(), "rogue", 1);
  ASSERT_TRUE(Eventually([this] { return Ingest("executors_connected") == 1; }));
  rogue.FillWindow();
  EXPECT_TRUE(Eventually([&] { return !rogue.Grant(1); }, 30s)) << "ingest has not ended the call";
  EXPECT_TRUE(Eventually([this] { return Ingest("executors_connected") == 0; }));
}

TEST_F(FaultRowsTest, ASupersededExecutorThatDoesNotReadIsCancelled) {
  system_->StartIngest();
  SilentExecutor rogue(system_->ingest_address(), "one", 1);
  ASSERT_TRUE(Eventually([this] { return Ingest("executors_connected") == 1; }));
  rogue.FillWindow();
  SilentExecutor next(system_->ingest_address(), "one", 1);
  EXPECT_TRUE(Eventually([&] { return !rogue.Grant(1); }, 30s)) << "ingest has not ended the call";
  EXPECT_EQ(Ingest("executors_connected"), 1);
}

TEST_F(FaultRowsTest, AnExecutorWithoutDescriptorsRejectsUntilItHasSome) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  system_->StartIngest({"--circuit-breaker-threshold", "1"});
  ServiceProcess& executor = system_->StartExecutor({system_->TestAgent(), "exit"});
  system_->AwaitAttached();
  rlimit before{};
  ASSERT_EQ(::prlimit(executor.process().pid(), RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(::prlimit(executor.process().pid(), RLIMIT_NOFILE, &none, nullptr), 0);
  const std::string id = system_->Submit("a");
  EXPECT_TRUE(Eventually([this] { return Ingest("events_requeued_total") >= 2; }));
  EXPECT_TRUE(system_->ingest().log().Has("Incident requeued",
                                          {{"incident_id", id}, {"reason", "rejected: shortage"}}));
  ASSERT_EQ(::prlimit(executor.process().pid(), RLIMIT_NOFILE, &before, nullptr), 0);
  EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  EXPECT_LE(Ingest("events_requeued_total"), 6) << "each rejection doubles the delay";
  EXPECT_EQ(Ingest("circuit_breaker_state"), 0);
  EXPECT_EQ(Ingest("incidents_finished_total"), 1);
  EXPECT_EQ(executor.Metrics().Sum("agents_completed_total", {{"status", "failure"}}), 0);
}

// Returns the status with which ingest ends a stream of these messages.
grpc::Status StatusAfter(const std::string& ingest, const std::vector<v1::ExecutorMessage>& sent) {
  const auto stub = v1::Dispatcher::NewStub(ChannelTo(ingest));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 60s);
  const auto stream = stub->Attach(&context);
  for (const v1::ExecutorMessage& message : sent) {
    if (!stream->Write(message)) break;
  }
  v1::IngestMessage received;
  while (stream->Read(&received)) {
  }
  return stream->Finish();
}

TEST_F(FaultRowsTest, AMessageOutOfBoundsEndsTheStream) {
  system_->StartIngest();
  const std::string megabytes(std::size_t{3} << 20, 'x');
  v1::ExecutorMessage hello;
  hello.mutable_hello()->set_executor_id("rogue");
  hello.mutable_hello()->set_slots(1);
  std::vector<v1::ExecutorMessage> bad(6, hello);
  bad[0].mutable_hello()->set_executor_id(megabytes);
  bad[1].mutable_hello()->set_version(megabytes);
  bad[2].mutable_hello()->add_running()->set_incident_id(megabytes);
  bad[3].mutable_accepted()->mutable_lease()->set_incident_id(megabytes);
  bad[4].mutable_rejected()->set_reason(megabytes);
  bad[5].mutable_result()->mutable_outcome()->set_workspace(megabytes);
  const std::size_t before = PeakResidentMemory(system_->ingest().process().pid());
  for (int round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < bad.size(); ++i) {
      // Without a Hello before it, and after one.
      for (const auto& sent : {std::vector{bad[i]}, std::vector{hello, bad[i], bad[i], bad[i]}}) {
        const grpc::Status status = StatusAfter(system_->ingest_address(), sent);
        if (sent.size() > 1 && bad[i].has_hello()) continue;  // a second Hello is ignored
        EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << i;
        EXPECT_THAT(status.error_message(), ::testing::HasSubstr("; expected ")) << i;
      }
    }
  }
  if (!kSanitized) {
    EXPECT_LT(PeakResidentMemory(system_->ingest().process().pid()) - before, 64u << 20);
  }
  EXPECT_TRUE(Eventually([this] { return Ingest("executors_connected") == 0; }));
}

// Attaches with leases of its own and never reads. A Hello may list 11,000 of each kind.
class HoardingExecutor {
 public:
  HoardingExecutor(const std::shared_ptr<grpc::Channel>& channel, int number, unsigned leases)
      : stub_(v1::Dispatcher::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + 120s);
    stream_ = stub_->Attach(&context_);
    v1::ExecutorMessage message;
    v1::Hello& hello = *message.mutable_hello();
    hello.set_executor_id("rogue-" + std::to_string(number));
    hello.set_slots(1);
    char id[37];
    for (unsigned i = 0; i < leases; ++i) {
      std::snprintf(id, sizeof id, "01890000-0000-7000-8000-%012x", i);
      hello.add_running()->set_incident_id(id);
      hello.add_results_waiting()->set_incident_id(id);
    }
    stream_->Write(message);
  }
  // Returns the final status from ingest.
  grpc::Status Finish() {
    v1::IngestMessage received;
    while (stream_->Read(&received)) {
    }
    return stream_->Finish();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  std::unique_ptr<v1::Dispatcher::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ExecutorMessage, v1::IngestMessage>> stream_;
};

TEST_F(FaultRowsTest, TheMemoryOfAllStreamsIsBounded) {
  system_->StartIngest();
  system_->StartExecutor({system_->ScriptAgent("exit 0\n")});
  system_->AwaitAttached();
  std::deque<HoardingExecutor> rogues;
  const auto channel = ChannelTo(system_->ingest_address());
  for (int i = 0; i < 90; ++i) rogues.emplace_back(channel, i, 10);
  const auto other = ChannelTo(system_->ingest_address());
  for (int i = 90; i < 120; ++i) rogues.emplace_back(other, i, 10);
  ASSERT_TRUE(Eventually(
      [this] { return system_->ingest().log().Has("Executor streams closed at their limit"); },
      60s));
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("a")).status(), "success");
  std::atomic<std::size_t> exhausted{0};
  std::vector<std::thread> readers;
  for (HoardingExecutor& rogue : rogues) {
    readers.emplace_back([&] {
      if (rogue.Finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) ++exhausted;
    });
  }
  EXPECT_TRUE(Eventually([&] { return exhausted >= 20; }));
  for (HoardingExecutor& rogue : rogues) rogue.Cancel();
  for (std::thread& reader : readers) reader.join();
  EXPECT_TRUE(Eventually([this] { return Ingest("executors_connected") == 1; }, 60s));
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("b")).status(), "success");
}

// Either the message limit or the limit on the growth of the process applies first.
TEST_F(FaultRowsTest, LargeHellosOfManyExecutorsUseBoundedMemory) {
  system_->StartIngest();
  system_->StartExecutor({system_->ScriptAgent("exit 0\n")});
  system_->AwaitAttached();
  std::deque<HoardingExecutor> rogues;
  std::shared_ptr<grpc::Channel> channel;
  for (int i = 0; i < 120; ++i) {
    if (i % 40 == 0) channel = ChannelTo(system_->ingest_address());
    rogues.emplace_back(channel, i, 11'000);
  }
  const auto bounded = [this] {
    const LogFile& log = system_->ingest().log();
    return log.Has("Executor streams closed at their limit") || log.Has("Connections closed");
  };
  ASSERT_TRUE(Eventually(bounded, 60s));
  // Calls of operators wait for messages that were read before.
  std::string id;
  int calls = 0;
  const auto submitted = [&] {
    try {
      id = system_->Submit("a" + std::to_string(++calls));
      return true;
    } catch (const std::exception&) {
      return false;
    }
  };
  ASSERT_TRUE(Eventually(submitted, 60s));
  EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  const std::size_t peak = PeakResidentMemory(system_->ingest().process().pid());
  std::cout << "ingest held " << (peak >> 20) << " MiB at most\n";
  if (!kSanitized) {
    EXPECT_LT(peak, 300u << 20) << "the base manifest has 512 MiB for all that it does";
  }
  for (HoardingExecutor& rogue : rogues) {
    rogue.Cancel();
    rogue.Finish();
  }
}

// Rejects every offer at once.
TEST_F(FaultRowsTest, AnExecutorThatRejectsEverythingReceivesFewOffers) {
  system_->StartIngest();
  const auto stub = v1::Dispatcher::NewStub(ChannelTo(system_->ingest_address()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 60s);
  const auto stream = stub->Attach(&context);
  v1::ExecutorMessage message;
  message.mutable_hello()->set_executor_id("rogue");
  message.mutable_hello()->set_slots(1000);
  stream->Write(message);
  message.mutable_credits()->set_total(1'000'000'000);
  stream->Write(message);
  const std::string id = system_->Submit("a");
  // Offers follow at once, after 1 s and after 2 s more; a timer never fires early.
  const auto begin = std::chrono::steady_clock::now();
  v1::IngestMessage received;
  for (int offers = 0; offers < 3 && stream->Read(&received);) {
    if (!received.has_offer()) continue;
    ++offers;
    *message.mutable_rejected()->mutable_lease() = received.offer().lease();
    message.mutable_rejected()->set_reason("no");
    stream->Write(message);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 3s);
  EXPECT_TRUE(received.has_offer());
  EXPECT_EQ(received.offer().lease().incident_id(), id);
  context.TryCancel();
  stream->Finish();
}

TEST_F(FaultRowsTest, TheLatestOfTwoExecutorsWithOneIdRunsTheIncident) {
  const std::string agent =
      system_->ScriptAgent("until [ -e " + Path("gate") + " ]; do sleep 0.02; done\n");
  system_->StartIngest();
  ServiceProcess& first = system_->StartExecutor({agent}, {"--agent-kill-grace", "1"});
  system_->AwaitAttached();
  const std::string id = system_->Submit("a");
  system_->AwaitAgentStarted(id);
  system_->StartExecutor({agent}, {"--workspace-root", Path("second")});
  EXPECT_EQ(first.WaitForExit(15s), 1);
  EXPECT_TRUE(first.log().Has("Agent finished", {{"incident_id", id}, {"status", "cancelled"}}));
  system_->AwaitAgentStarted(id);  // on the second executor
  WriteFile(Path("gate"), "");
  const v1::IncidentStatus incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.attempt(), 2u);
  EXPECT_EQ(Ingest("executors_connected"), 1);
}

// With sanitizers executors take ten times the memory and time.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RUNNER_FEW_EXECUTORS
#endif
#endif
#ifdef RUNNER_FEW_EXECUTORS
constexpr int kExecutors = 15;
#else
constexpr int kExecutors = 100;
#endif

TEST_F(FaultRowsTest, ManyExecutorsSpreadTheirReconnectsAndRunNothingTwice) {
  const std::string runs = Path("runs");
  const std::string agent = system_->ScriptAgent("echo $RUNNER_INCIDENT_ID >>" + runs + "\n");
  system_->StartIngest({"--max-concurrent-agents", "200", "--max-agents-per-cluster", "200",
                        "--cluster-queue-size", "500"});
  std::vector<ServiceProcess*> executors;
  for (int i = 0; i < kExecutors; ++i) {
    const std::string id = "e" + std::to_string(i);
    executors.push_back(&system_->StartExecutor(
        {agent}, {"--executor-id", id, "--slots", "1", "--workspace-root", Path(id)}));
  }
  const auto all_attached = [this] { return Ingest("executors_connected") == kExecutors; };
  ASSERT_TRUE(Eventually(all_attached, 30s));
  system_->ingest().process().Kill();
  // Long enough for their delays to grow.
  Eventually([] { return false; }, 3s);
  system_->StartIngest({"--max-concurrent-agents", "200", "--max-agents-per-cluster", "200",
                        "--cluster-queue-size", "500"});
  std::set<std::string> submitted;
  for (int i = 0; i < 2 * kExecutors; ++i) {
    submitted.insert(system_->Submit("pod-" + std::to_string(i)));
  }
  EXPECT_TRUE(Eventually(all_attached, 40s));
  EXPECT_TRUE(
      Eventually([&] { return Ingest("incidents_finished_total") == 2 * kExecutors; }, 60s));
  std::map<std::string, int> counted;
  std::istringstream lines(ReadFile(runs));
  for (std::string id; lines >> id;) ++counted[id];
  EXPECT_THAT(counted, SizeIs(2 * kExecutors));
  for (const auto& [id, count] : counted) EXPECT_EQ(count, 1) << id << " ran again";
  // The reconnect times, rounded to 0.1 s.
  std::set<std::string> moments;
  for (ServiceProcess* executor : executors) {
    // Ingest counts an executor from its Hello; the executor logs it after the Welcome.
    const auto lines_of = [executor] { return executor->log().With("Attached to ingest"); };
    ASSERT_TRUE(Eventually([&] { return lines_of().size() == 2; })) << executor->name();
    const auto attached = lines_of();
    moments.insert(attached.back().at("time").get<std::string>().substr(0, 21));
  }
  EXPECT_GE(moments.size(), 5u) << "the reconnects are not spread";
}

TEST_F(FaultRowsTest, AnIncidentThatKillsItsExecutorFailsAfterItsAttempts) {
  const std::string agent = system_->ScriptAgent("echo run >>" + Path("runs") + "\nsleep 60\n");
  system_->StartIngest({"--max-attempts", "3"});
  const std::string id = system_->Submit("a");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    ServiceProcess& executor = system_->StartExecutor({agent}, {"--agent-kill-grace", "1"});
    // Wait until ingest has handled Started.
    ASSERT_TRUE(Eventually([&] {
      v1::IncidentStatus incident;
      return system_->Admin().Get(id, &incident).ok() && incident.state() == "running" &&
             executor.log().Has("Agent started");
    }));
    ASSERT_TRUE(Eventually([&] { return Ingest("dispatch_latency_seconds_count") == 1; }));
    executor.process().Kill();  // in place of the incident: agents cannot signal the executor
  }
  system_->StartExecutor({agent});
  const v1::IncidentStatus incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "failure");
  EXPECT_EQ(incident.reason(), "attempts_exhausted");
  EXPECT_EQ(ReadFile(Path("runs")), "run\nrun\nrun\n");
}

}  // namespace
}  // namespace runner
