#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "runner/v1/dispatch.grpc.pb.h"
#include "runner/v1/executor_admin.grpc.pb.h"
#include "tests/support/child_process.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"
#include "tests/support/service_process.h"
#include "tests/support/system.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

constexpr const char* kIncident = "01890000-0000-7000-8000-000000000001";

using Stream = grpc::ServerReaderWriter<v1::IngestMessage, v1::ExecutorMessage>;

// Simulates ingest for a real executor. A script of the test defines what it sends and expects on
// each stream. A script that returns OK leaves the stream open; any other status ends it.
class ScriptedIngest final : public v1::Dispatcher::Service {
 public:
  using Script = std::function<grpc::Status(Stream&)>;

  explicit ScriptedIngest(std::deque<Script> scripts) : scripts_(std::move(scripts)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    // Limits what the executor can send without a read to 64 KiB.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    server_ = builder.BuildAndStart();
  }
  ~ScriptedIngest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // Returns false if not every script has ended in time.
  bool AwaitEnd() {
    return all_ended_.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  }

  grpc::Status Attach(grpc::ServerContext*, Stream* stream) override {
    if (!scripts_.empty()) {
      const Script script = std::move(scripts_.front());
      scripts_.pop_front();
      const grpc::Status status = script(*stream);
      if (scripts_.empty()) all_ended_.set_value();
      if (!status.ok()) return status;
    }
    v1::ExecutorMessage rest;
    while (stream->Read(&rest)) {
    }
    return grpc::Status::OK;
  }

 private:
  std::deque<Script> scripts_;  // one for each stream, in order
  std::promise<void> all_ended_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Returns the next message of this kind and skips others; nothing at the end of the stream.
std::optional<v1::ExecutorMessage> Await(Stream& stream, v1::ExecutorMessage::MessageCase kind) {
  v1::ExecutorMessage message;
  while (stream.Read(&message)) {
    if (message.message_case() == kind) return message;
  }
  return std::nullopt;
}

v1::Lease Attempt(std::uint32_t attempt) {
  v1::Lease lease;
  lease.set_incident_id(kIncident);
  lease.set_attempt(attempt);
  return lease;
}

void SendWelcome(Stream& stream, int lease_ttl = 60) {
  v1::IngestMessage message;
  message.mutable_welcome()->mutable_keep_alive_interval()->set_seconds(5);
  message.mutable_welcome()->mutable_lease_ttl()->set_seconds(lease_ttl);
  stream.Write(message);
}

bool SendOffer(Stream& stream, std::uint32_t attempt) {
  v1::IngestMessage message;
  *message.mutable_offer()->mutable_lease() = Attempt(attempt);
  v1::Incident& incident = *message.mutable_offer()->mutable_incident();
  incident.set_incident_id(kIncident);
  incident.set_cluster("prod");
  incident.set_fault_type("CrashLoop");
  incident.set_severity("error");
  incident.mutable_resource()->set_kind("Pod");
  incident.mutable_resource()->set_name("cart-0");
  return stream.Write(message);
}

void SendCancel(Stream& stream, std::uint32_t attempt, const std::string& reason = "stale") {
  v1::IngestMessage message;
  *message.mutable_cancel()->mutable_lease() = Attempt(attempt);
  message.mutable_cancel()->set_reason(reason);
  stream.Write(message);
}

void SendResultAck(Stream& stream, std::uint32_t attempt) {
  v1::IngestMessage message;
  *message.mutable_result_ack()->mutable_lease() = Attempt(attempt);
  stream.Write(message);
}

class ExecutorProtocolTest : public ::testing::Test {
 protected:
  // Starts an executor whose agent is the shell script.
  std::unique_ptr<ServiceProcess> Start(const ScriptedIngest& ingest, const std::string& agent,
                                        const std::string& kill_grace = "0.5",
                                        const std::string& sidecar = "true") {
    return std::make_unique<ServiceProcess>(
        "executor", RUNNER_EXECUTOR,
        Words{"--ingest-address", ingest.address(), "--agent-kill-grace", kill_grace,
              "--sidecar=" + sidecar, "--shutdown-timeout", "0", "--grpc-listen", "127.0.0.1:0",
              "--", "/bin/sh", "-c", agent},
        Environment{}, directory_.path());
  }
  // Runs it until the script of its only stream has ended; then SIGTERM must end it with exit code
  // 0.
  void Run(const std::string& agent, const std::function<void(Stream&)>& script) {
    ScriptedIngest ingest({[&](Stream& stream) {
      script(stream);
      return grpc::Status::OK;
    }});
    const auto executor = Start(ingest, agent);
    EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
    executor->Terminate();
    EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0) << executor->log().Tail(20);
  }

  // An agent that ignores SIGTERM; the file Armed() exists once it does.
  std::string StubbornAgent() const {
    return "trap '' TERM; : >" + Armed().string() + "; while :; do sleep 1; done";
  }
  void AwaitStubborn() const {
    EXPECT_TRUE(Eventually([this] { return std::filesystem::exists(Armed()); }));
  }

  TempDir directory_;

 private:
  std::filesystem::path Armed() const { return directory_.path() / "armed"; }
};

TEST_F(ExecutorProtocolTest, ANewAttemptWaitsForTheEndOfTheOldOne) {
  Run("[ \"$RUNNER_ATTEMPT\" = 1 ] || exit 0; trap '' TERM; while :; do sleep 1; done",
      [](Stream& stream) {
        ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
        SendWelcome(stream);
        ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
        SendOffer(stream, 1);
        ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kStarted));
        SendCancel(stream, 1);
        SendOffer(stream, 2);

        const auto accepted = Await(stream, v1::ExecutorMessage::kAccepted);
        ASSERT_TRUE(accepted);
        EXPECT_EQ(accepted->accepted().lease().attempt(), 2u);
        const auto first = Await(stream, v1::ExecutorMessage::kResult);
        ASSERT_TRUE(first);
        EXPECT_EQ(first->result().lease().attempt(), 1u);
        EXPECT_EQ(first->result().outcome().status(), "cancelled");
        const auto started = Await(stream, v1::ExecutorMessage::kStarted);
        ASSERT_TRUE(started);
        EXPECT_EQ(started->started().lease().attempt(), 2u);
        const auto second = Await(stream, v1::ExecutorMessage::kResult);
        ASSERT_TRUE(second);
        EXPECT_EQ(second->result().lease().attempt(), 2u);
        EXPECT_EQ(second->result().outcome().status(), "success")
            << second->result().outcome().reason();
      });
}

TEST_F(ExecutorProtocolTest, AWaitingAttemptIsCancelledWithoutAStart) {
  Run(StubbornAgent(), [this](Stream& stream) {
    ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
    SendWelcome(stream);
    ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
    SendOffer(stream, 1);
    ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kStarted));
    AwaitStubborn();
    SendCancel(stream, 1);
    SendOffer(stream, 2);
    SendCancel(stream, 2);
    const auto first = Await(stream, v1::ExecutorMessage::kResult);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->result().lease().attempt(), 2u) << "it waits for no run";
    EXPECT_EQ(first->result().outcome().status(), "cancelled");
    const auto second = Await(stream, v1::ExecutorMessage::kResult);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->result().lease().attempt(), 1u);
  });
}

TEST_F(ExecutorProtocolTest, TailOutputEndsWithItsAttempt) {
  std::promise<void> followed;
  std::promise<void> ended;
  ScriptedIngest ingest({[&](Stream& stream) {
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
    SendWelcome(stream);
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
    SendOffer(stream, 1);
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kStarted));
    followed.get_future().wait();
    SendCancel(stream, 1);
    SendOffer(stream, 2);
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kStarted));
    EXPECT_EQ(ended.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready)
        << "the call continues with the second attempt";
    return grpc::Status::OK;
  }});
  const auto executor = Start(ingest, "echo attempt $RUNNER_ATTEMPT; exec sleep 30");
  const auto stub = v1::ExecutorAdmin::NewStub(
      grpc::CreateChannel(executor->grpc(), grpc::InsecureChannelCredentials()));
  v1::TailOutputRequest tail;
  tail.set_incident_id(kIncident);
  tail.set_follow(true);
  ASSERT_TRUE(Eventually([&] { return executor->log().Has("Agent started"); }));
  grpc::ClientContext context;
  const auto reader = stub->TailOutput(&context, tail);
  std::thread following([&] {
    v1::TailOutputResponse part;
    EXPECT_TRUE(reader->Read(&part));
    EXPECT_EQ(part.data(), "attempt 1\n");
    followed.set_value();
    EXPECT_FALSE(reader->Read(&part));
    ended.set_value();
  });
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  context.TryCancel();
  following.join();
  reader->Finish();
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0) << executor->log().Tail(20);
}

TEST_F(ExecutorProtocolTest, RejectsOffersWhileDraining) {
  Run("exit 0", [](Stream& stream) {
    ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
    SendWelcome(stream);
    const auto credits = Await(stream, v1::ExecutorMessage::kCredits);
    ASSERT_TRUE(credits);
    EXPECT_EQ(credits->credits().total(), 5u) << "the default of --slots";
    v1::IngestMessage drain;
    drain.mutable_drain();
    stream.Write(drain);
    SendOffer(stream, 1);
    const auto rejected = Await(stream, v1::ExecutorMessage::kRejected);
    ASSERT_TRUE(rejected);
    EXPECT_EQ(rejected->rejected().reason(), "draining");
  });
}

TEST_F(ExecutorProtocolTest, ANewStreamListsRunsAndRepeatsTheirState) {
  ScriptedIngest ingest({[](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
                           SendOffer(stream, 1);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kStarted));
                           return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut by the test");
                         },
                         [](Stream& stream) {
                           const auto hello = Await(stream, v1::ExecutorMessage::kHello);
                           EXPECT_TRUE(hello && hello->hello().running_size() == 1);
                           SendWelcome(stream);
                           const auto started = Await(stream, v1::ExecutorMessage::kStarted);
                           EXPECT_TRUE(started && started->started().lease().attempt() == 1);
                           const auto credits = Await(stream, v1::ExecutorMessage::kCredits);
                           EXPECT_TRUE(credits && credits->credits().total() == 4)
                               << "one slot is busy";
                           return grpc::Status::OK;
                         }});
  const auto executor = Start(ingest, "sleep 60");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0) << executor->log().Tail(20);
}

// An attempt ends and is cancelled for this reason, and then the stream is lost. Returns how many
// waiting results the next Hello lists, including the result of a second attempt.
class CancelledResultTest : public ExecutorProtocolTest {
 protected:
  int ResultsWaitingAfter(const std::string& reason) {
    int waiting = -1;
    ScriptedIngest ingest({[&](Stream& stream) {
                             EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                             SendWelcome(stream);
                             EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
                             SendOffer(stream, 1);
                             EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kResult));
                             SendCancel(stream, 1, reason);
                             SendOffer(stream,
                                       2);  // its response shows that the Cancel was handled
                             EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kResult));
                             return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut by the test");
                           },
                           [&](Stream& stream) {
                             const auto hello = Await(stream, v1::ExecutorMessage::kHello);
                             if (hello) waiting = hello->hello().results_waiting_size();
                             return grpc::Status::OK;
                           }});
    const auto executor = Start(ingest, "exit 0");
    EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
    executor->Terminate();
    EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0) << executor->log().Tail(20);
    return waiting;
  }
};

TEST_F(CancelledResultTest, IsKeptIfAnOperatorCancelledTheLease) {
  EXPECT_EQ(ResultsWaitingAfter("cancelled"), 2);
}

TEST_F(CancelledResultTest, IsDroppedIfTheLeaseIsStale) {
  EXPECT_EQ(ResultsWaitingAfter("stale"), 1);
}

TEST_F(ExecutorProtocolTest, ADroppedWaitingAttemptGrantsOnlyTheFreeSlots) {
  ScriptedIngest ingest({[this](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
                           SendOffer(stream, 1);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kStarted));
                           AwaitStubborn();
                           SendCancel(stream, 1);
                           SendOffer(stream, 2);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kAccepted));
                           return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut by the test");
                         },
                         [](Stream& stream) {
                           const auto hello = Await(stream, v1::ExecutorMessage::kHello);
                           EXPECT_TRUE(hello && hello->hello().running_size() == 2);
                           v1::IngestMessage welcome;
                           v1::Decision& drop = *welcome.mutable_welcome()->add_decisions();
                           *drop.mutable_lease() = Attempt(2);
                           drop.set_verdict(v1::Decision::VERDICT_DROP);
                           stream.Write(welcome);
                           const auto credits = Await(stream, v1::ExecutorMessage::kCredits);
                           EXPECT_TRUE(credits && credits->credits().total() == 4)
                               << "the first attempt still takes one of five";
                           return grpc::Status::OK;
                         }});
  const auto executor = Start(ingest, StubbornAgent(), "3");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0) << executor->log().Tail(20);
}

TEST_F(ExecutorProtocolTest, ARemoteExecutorDoesNotAttachIfTheLeaseTtlIsTooShort) {
  ScriptedIngest ingest({[](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream, 25);
                           EXPECT_FALSE(Await(stream, v1::ExecutorMessage::kCredits));
                           return grpc::Status(grpc::StatusCode::UNAVAILABLE, "");
                         },
                         [](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream, 26);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
                           return grpc::Status::OK;
                         }});
  const auto executor = Start(ingest, "exit 0", "0.5", "false");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  const auto logged = executor->log().With("Not attached to ingest, retrying");
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_NE(logged[0].at("error").get<std::string>().find("at least 26 s"), std::string::npos);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0) << executor->log().Tail(20);
}

TEST_F(ExecutorProtocolTest, ReconnectsAfterAMessageOutOfBounds) {
  v1::IngestMessage fast;
  fast.mutable_welcome()->mutable_keep_alive_interval()->set_nanos(1);
  fast.mutable_welcome()->mutable_lease_ttl()->set_seconds(60);
  v1::IngestMessage long_reason;
  *long_reason.mutable_cancel()->mutable_lease() = Attempt(1);
  long_reason.mutable_cancel()->set_reason(std::string(std::size_t{2} << 20, 'r'));
  v1::IngestMessage path;
  path.mutable_result_ack()->mutable_lease()->set_incident_id("../../etc");
  const auto breaking = [](const v1::IngestMessage& message, bool welcome_first) {
    return [message, welcome_first](Stream& stream) {
      EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
      if (welcome_first) SendWelcome(stream);
      stream.Write(message);
      v1::ExecutorMessage rest;
      while (stream.Read(&rest)) {
      }
      return grpc::Status::CANCELLED;
    };
  };
  ScriptedIngest ingest({breaking(fast, false), breaking(long_reason, true), breaking(path, true),
                         [](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
                           return grpc::Status::OK;
                         }});
  const auto executor = Start(ingest, "exit 0");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  const std::string log = executor->log().Tail(50);
  for (const char* field : {"welcome.keep_alive_interval: 1e-09 s", "cancel.reason: 2097152 bytes",
                            "result_ack.lease.incident_id: 9 bytes"}) {
    EXPECT_NE(log.find(field), std::string::npos) << field << log;
  }
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0);
}

TEST_F(ExecutorProtocolTest, DisconnectsFromAnIngestThatFloodsAndDoesNotRead) {
  constexpr std::uint32_t kMax = 100'000;
  std::uint32_t offered = 0;
  ScriptedIngest ingest({[&](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream);
                           while (offered < kMax && SendOffer(stream, ++offered)) {
                           }
                           return grpc::Status::CANCELLED;
                         },
                         [](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           return grpc::Status::OK;
                         }});
  const auto executor = Start(ingest, "exec sleep 60");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  EXPECT_LT(offered, kMax);
  EXPECT_NE(executor->log().Tail(50).find("ingest does not read"), std::string::npos);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0) << executor->log().Tail(20);
}

// The stream stays open without acknowledgements.
TEST_F(ExecutorProtocolTest, ReconnectsIfKeepAlivesAreNotAcknowledged) {
  ScriptedIngest ingest({[](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           v1::IngestMessage welcome;
                           welcome.mutable_welcome()->mutable_keep_alive_interval()->set_nanos(
                               200'000'000);
                           welcome.mutable_welcome()->mutable_lease_ttl()->set_seconds(1);
                           stream.Write(welcome);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kKeepAlive));
                           v1::ExecutorMessage rest;
                           while (stream.Read(&rest)) {
                           }
                           return grpc::Status::CANCELLED;
                         },
                         [](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           return grpc::Status::OK;
                         }});
  const auto executor = Start(ingest, "exit 0");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  EXPECT_NE(executor->log().Tail(20).find("has not answered a keep-alive in time"),
            std::string::npos);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0);
}

TEST_F(ExecutorProtocolTest, LimitsTheResultsInFlight) {
  constexpr std::uint32_t kRuns = 100;
  constexpr std::uint32_t kAtATime = 64;
  const auto recorded = [](Stream& stream, const v1::ExecutorMessage& result) {
    v1::IngestMessage message;
    *message.mutable_result_ack()->mutable_lease() = result.result().lease();
    stream.Write(message);
  };
  ScriptedIngest ingest({[&](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
                           for (std::uint32_t attempt = 1; attempt <= kRuns; ++attempt) {
                             SendOffer(stream, attempt);
                             EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kResult));
                           }
                           return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarted");
                         },
                         [&](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream);
                           std::deque<v1::ExecutorMessage> held;
                           // Credits follow the results that are sent at once.
                           v1::ExecutorMessage message;
                           while (stream.Read(&message) && !message.has_credits()) {
                             if (message.has_result()) held.push_back(message);
                           }
                           EXPECT_EQ(held.size(), kAtATime);
                           for (std::uint32_t delivered = 0; delivered < kRuns; ++delivered) {
                             if (held.empty()) {
                               const auto next = Await(stream, v1::ExecutorMessage::kResult);
                               if (!next) return grpc::Status::CANCELLED;
                               held.push_back(*next);
                             }
                             recorded(stream, held.front());
                             held.pop_front();
                           }
                           return grpc::Status::OK;
                         }});
  const auto executor = Start(ingest, "exit 0");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0);
}

// If the limit of results in flight is reached, a new result is sent before the waiting ones, and
// not again when their turn comes.
TEST_F(ExecutorProtocolTest, EachWaitingResultIsSentOnceOnAStream) {
  constexpr std::uint32_t kRuns = 70;
  constexpr std::uint32_t kAtATime = 64;
  std::map<std::uint32_t, int> sent;  // on the second stream, by attempt
  ScriptedIngest ingest({[&](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream);
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
                           for (std::uint32_t attempt = 1; attempt <= kRuns; ++attempt) {
                             SendOffer(stream, attempt);
                             EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kResult));
                           }
                           return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarted");
                         },
                         [&](Stream& stream) {
                           EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
                           SendWelcome(stream);
                           std::deque<std::uint32_t> held;
                           const auto next_result = [&] {
                             const auto result = Await(stream, v1::ExecutorMessage::kResult);
                             if (!result) return false;
                             held.push_back(result->result().lease().attempt());
                             ++sent[held.back()];
                             return true;
                           };
                           while (held.size() < kAtATime && next_result()) {
                           }
                           SendOffer(stream, kRuns + 1);
                           if (!next_result()) return grpc::Status::CANCELLED;
                           EXPECT_EQ(held.back(), kRuns + 1);
                           for (std::uint32_t delivered = 0; delivered <= kRuns; ++delivered) {
                             if (held.empty() && !next_result()) return grpc::Status::CANCELLED;
                             SendResultAck(stream, held.front());
                             held.pop_front();
                           }
                           // Its result follows everything that was sent before.
                           SendOffer(stream, kRuns + 2);
                           EXPECT_TRUE(next_result());
                           EXPECT_EQ(held.back(), kRuns + 2);
                           return grpc::Status::OK;
                         }});
  const auto executor = Start(ingest, "exit 0");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  EXPECT_EQ(sent.size(), kRuns + 2);
  for (const auto& [attempt, times] : sent) EXPECT_EQ(times, 1) << attempt;
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0);
}

// Executor and ingest lose each other, with keep-alives of 0.2 s and a lease TTL of 12 s. With this
// kill grace the lease deadline is 1.5 s after the latest acknowledged keep-alive.
class LeaseDeadlineTest : public ExecutorProtocolTest {
 protected:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLeaseDeadline{1500};

  // Acknowledges keep-alives for `time`; returns when the latest of them arrived.
  static Clock::time_point AnswerKeepAlives(Stream& stream, Clock::duration time) {
    const auto end = Clock::now() + time;
    auto latest = Clock::now();
    v1::ExecutorMessage message;
    while (Clock::now() < end && stream.Read(&message)) {
      EXPECT_FALSE(message.has_result()) << "the run has ended despite acknowledged keep-alives";
      if (!message.has_keep_alive()) continue;
      latest = Clock::now();
      v1::IngestMessage answer;
      answer.mutable_keep_alive_ack()->set_seq(message.keep_alive().seq());
      stream.Write(answer);
    }
    return latest;
  }
  static void Begin(Stream& stream) {
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
    v1::IngestMessage message;
    message.mutable_welcome()->mutable_keep_alive_interval()->set_nanos(200'000'000);
    message.mutable_welcome()->mutable_lease_ttl()->set_seconds(12);
    stream.Write(message);
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
    SendOffer(stream, 1);
  }
};

TEST_F(LeaseDeadlineTest, ARunEndsAtTheLeaseDeadline) {
  ScriptedIngest ingest({[](Stream& stream) {
    Begin(stream);
    const auto answered = AnswerKeepAlives(stream, 2 * kLeaseDeadline);
    const auto result = Await(stream, v1::ExecutorMessage::kResult);
    const auto took = Clock::now() - answered;
    EXPECT_TRUE(result && result->result().outcome().reason() == "lease_deadline");
    EXPECT_GE(took, kLeaseDeadline - std::chrono::milliseconds(500));
    EXPECT_LT(took, kLeaseDeadline + std::chrono::seconds(5)) << "with the time to stop it";
    return grpc::Status::OK;
  }});
  const auto executor = Start(ingest, "exec sleep 60", "0.5", "false");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0);
}

TEST_F(LeaseDeadlineTest, ASidecarHasNoLeaseDeadline) {
  ScriptedIngest ingest({[](Stream& stream) {
    Begin(stream);
    v1::ExecutorMessage message;
    const auto end = Clock::now() + 3 * kLeaseDeadline;
    while (Clock::now() < end && stream.Read(&message)) EXPECT_FALSE(message.has_result());
    SendCancel(stream, 1);
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kResult)) << "it ran until then";
    return grpc::Status::OK;
  }});
  const auto executor = Start(ingest, "exec sleep 60");
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0);
}

// No descriptor is free; then some are.
TEST_F(ExecutorProtocolTest, AShortageRejectsTheOfferAndReturnsTheCredit) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  std::promise<pid_t> pid;
  ScriptedIngest ingest({[&](Stream& stream) {
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
    SendWelcome(stream);
    const auto credits = Await(stream, v1::ExecutorMessage::kCredits);
    const pid_t executor = pid.get_future().get();
    rlimit before{};
    EXPECT_EQ(::prlimit(executor, RLIMIT_NOFILE, nullptr, &before), 0);
    const rlimit none{3, before.rlim_max};
    EXPECT_EQ(::prlimit(executor, RLIMIT_NOFILE, &none, nullptr), 0);
    for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
      SendOffer(stream, attempt);
      const auto rejected = Await(stream, v1::ExecutorMessage::kRejected);
      if (!rejected) return grpc::Status::OK;
      EXPECT_EQ(rejected->rejected().reason(), "shortage");
      EXPECT_EQ(rejected->rejected().lease().attempt(), attempt);
      const auto more = Await(stream, v1::ExecutorMessage::kCredits);
      EXPECT_EQ(more->credits().total(), credits->credits().total() + attempt);
    }
    EXPECT_EQ(::prlimit(executor, RLIMIT_NOFILE, &before, nullptr), 0);
    SendOffer(stream, 11);
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kAccepted));
    const auto result = Await(stream, v1::ExecutorMessage::kResult);
    EXPECT_TRUE(result && result->result().outcome().status() == "success");
    return grpc::Status::OK;
  }});
  const auto executor = Start(ingest, "exit 0");
  pid.set_value(executor->process().pid());
  EXPECT_TRUE(ingest.AwaitEnd()) << executor->log().Tail(20);
  EXPECT_EQ(executor->Metrics().Sum("agents_spawned_total"), 1) << "a rejected offer is not a run";
  EXPECT_EQ(executor->log().With("Offer rejected for lack of resources").size(), 10u);
  executor->Terminate();
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 0) << executor->log().Tail(20);
}

TEST_F(ExecutorProtocolTest, ASupersededExecutorEndsItsRunsAndExits) {
  ScriptedIngest ingest({[](Stream& stream) {
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
    SendWelcome(stream);
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
    SendOffer(stream, 1);
    EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kStarted));
    return grpc::Status(grpc::StatusCode::ABORTED, "superseded");
  }});
  const auto executor = Start(ingest, "sleep 60");
  EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(15)), 1) << executor->log().Tail(20);
  EXPECT_TRUE(executor->log().Has("Agent finished", {{"status", "cancelled"}}));
}

TEST_F(ExecutorProtocolTest, ASilentIngestDoesNotDelayTheExit) {
  std::promise<void> over;
  std::promise<void> attached;
  {
    ScriptedIngest ingest({[&](Stream& stream) {
      EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
      SendWelcome(stream);
      EXPECT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
      attached.set_value();
      over.get_future().wait();  // it neither reads nor ends the stream
      return grpc::Status::OK;
    }});
    const auto executor = Start(ingest, "exit 0");
    attached.get_future().wait();
    executor->Terminate();
    // Otherwise only gRPC's keepalive would end it, which a stopped process still answers.
    EXPECT_EQ(executor->WaitForExit(std::chrono::seconds(10)), 0) << executor->log().Tail(20);
    over.set_value();
  }
}

}  // namespace
}  // namespace runner::support
