#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "runner/v1/dispatch.grpc.pb.h"
#include "tests/support/child_process.h"
#include "tests/support/service_process.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

constexpr const char* kIncident = "01890000-0000-7000-8000-000000000001";

using Stream = grpc::ServerReaderWriter<v1::IngestMessage, v1::ExecutorMessage>;

// Plays ingest to a real executor: what it says and expects is the test's script, which runs once
// for the first stream.
class ScriptedIngest final : public v1::Dispatcher::Service {
 public:
  using Script = std::function<void(Stream&)>;

  explicit ScriptedIngest(Script script) : script_(std::move(script)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~ScriptedIngest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  grpc::Status Attach(grpc::ServerContext*, Stream* stream) override {
    if (const auto script = std::exchange(script_, nullptr)) script(*stream);
    v1::ExecutorMessage rest;
    while (stream->Read(&rest)) {
    }
    return grpc::Status::OK;
  }

 private:
  Script script_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// The next message of that kind; others are passed over. Nothing when the stream ends.
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

void SendWelcome(Stream& stream) {
  v1::IngestMessage message;
  message.mutable_welcome()->mutable_beat_interval()->set_seconds(5);
  message.mutable_welcome()->mutable_lease_ttl()->set_seconds(60);
  stream.Write(message);
}

void SendOffer(Stream& stream, std::uint32_t attempt) {
  v1::IngestMessage message;
  *message.mutable_offer()->mutable_lease() = Attempt(attempt);
  v1::Incident& incident = *message.mutable_offer()->mutable_incident();
  incident.set_incident_id(kIncident);
  incident.set_cluster("prod");
  incident.set_fault_type("CrashLoop");
  incident.set_severity("error");
  incident.mutable_resource()->set_kind("Pod");
  incident.mutable_resource()->set_name("cart-0");
  stream.Write(message);
}

void SendCancel(Stream& stream, std::uint32_t attempt) {
  v1::IngestMessage message;
  *message.mutable_cancel()->mutable_lease() = Attempt(attempt);
  message.mutable_cancel()->set_reason("stale");
  stream.Write(message);
}

class ExecutorProtocolTest : public ::testing::Test {
 protected:
  // Runs an executor whose agent is the shell script, until the script of ingest is through; then
  // the executor must end on SIGTERM with 0.
  void Run(const std::string& agent, const ScriptedIngest::Script& script) {
    std::promise<void> through;
    ScriptedIngest ingest([&](Stream& stream) {
      script(stream);
      through.set_value();
    });
    ServiceProcess executor(
        "executor", RUNNER_EXECUTOR,
        {"--ingest-address", ingest.address(), "--agent-kill-grace", "0.5", "--shutdown-timeout",
         "0", "--grpc-listen", "127.0.0.1:0", "--", "/bin/sh", "-c", agent},
        {}, directory_.path());
    EXPECT_EQ(through.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready)
        << executor.log().Tail(20);
    executor.Terminate();
    EXPECT_EQ(executor.WaitForExit(std::chrono::seconds(15)), 0) << executor.log().Tail(20);
  }

  TempDir directory_;
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

TEST_F(ExecutorProtocolTest, AnAttemptThatStillWaitsIsCancelledWithoutEverStarting) {
  Run("trap '' TERM; while :; do sleep 1; done", [](Stream& stream) {
    ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kHello));
    SendWelcome(stream);
    ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kCredits));
    SendOffer(stream, 1);
    ASSERT_TRUE(Await(stream, v1::ExecutorMessage::kStarted));
    SendCancel(stream, 1);
    SendOffer(stream, 2);
    SendCancel(stream, 2);
    const auto first = Await(stream, v1::ExecutorMessage::kResult);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->result().lease().attempt(), 2u) << "it need not wait for anything";
    EXPECT_EQ(first->result().outcome().status(), "cancelled");
    const auto second = Await(stream, v1::ExecutorMessage::kResult);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->result().lease().attempt(), 1u);
  });
}

TEST_F(ExecutorProtocolTest, NothingIsTakenWhileTheStreamDrains) {
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

}  // namespace
}  // namespace runner::support
