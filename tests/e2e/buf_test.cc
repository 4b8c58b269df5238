// The interfaces through buf: the .proto files by its linter, the running servers by reflection.
// npm installs `buf curl` where grpcurl is missing for lack of Go.

#include <filesystem>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/npm_program.h"
#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;
using ::testing::HasSubstr;

const std::filesystem::path kProto = RUNNER_PROTO_DIR;

struct Printed {
  std::optional<int> exit;
  std::string out;
  std::string err;
};

Printed Buf(const std::filesystem::path& directory, const Words& words) {
  ChildProcess::Command command;
  command.argv = NpmProgram("buf");
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.environment["BUF_CACHE_DIR"] = directory / "cache";
  command.directory = directory;
  command.stdout_file = directory / "buf.out";
  command.stderr_file = directory / "buf.err";
  ChildProcess process(command);
  const std::optional<int> exit = process.WaitForExit(kRpcTimeout);
  return {exit, ReadFile(command.stdout_file), ReadFile(command.stderr_file)};
}

class BufLintTest : public ::testing::Test {
 protected:
  void SetUp() override { RUNNER_SKIP_IF_MISSING(NpmProgramMissing("buf")); }

  const TempDir directory_;
};

TEST_F(BufLintTest, TheInterfacesPassTheLinter) {
  const Printed lint = Buf(directory_.path(), {"lint", kProto.string()});
  EXPECT_EQ(lint.exit, 0) << lint.out << lint.err;
}

// The exceptions in buf.yaml must leave other rules active.
TEST_F(BufLintTest, TheLinterFindsABadName) {
  const auto copy = directory_.path() / "proto";
  std::filesystem::copy(kProto, copy, std::filesystem::copy_options::recursive);
  const auto file = copy / "runner/v1/ingest_admin.proto";
  WriteFile(file, ReadFile(file) + "\nmessage bad_name {}\n");
  const Printed lint = Buf(directory_.path(), {"lint", copy.string()});
  constexpr int kFindings = 100;
  EXPECT_EQ(lint.exit, kFindings) << lint.err;
  EXPECT_THAT(lint.out, HasSubstr("bad_name"));
}

class BufCurlTest : public SystemTest {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(NpmProgramMissing("buf"));
    SystemTest::SetUp();
    system_->StartWithoutPeer({system_->TestAgent(), "report", "500"});
  }

  Printed Curl(const ServiceProcess& service, const std::string& path, Words words) {
    words.insert(words.begin(),
                 {"curl", "--protocol", "grpc", "--http2-prior-knowledge", "--emit-defaults"});
    words.push_back("http://" + service.grpc() + path);
    return Buf(system_->directory(), words);
  }
  json Call(const ServiceProcess& service, const std::string& method, const json& data) {
    const Printed answer = Curl(service, "/" + method, {"--data", data.dump()});
    EXPECT_EQ(answer.exit, 0) << answer.err;
    return json::parse(answer.out, nullptr, false);
  }
};

TEST_F(BufCurlTest, ListsEveryMethod) {
  const Printed of_ingest = Curl(system_->ingest(), "", {"--list-methods"});
  EXPECT_EQ(of_ingest.exit, 0) << of_ingest.err;
  for (const std::string method :
       {"runner.v1.Dispatcher/Attach", "runner.v1.IngestAdmin/GetStatus",
        "runner.v1.IngestAdmin/ListIncidents", "runner.v1.IngestAdmin/GetIncident",
        "runner.v1.IngestAdmin/SubmitEvent", "grpc.health.v1.Health/Check"}) {
    EXPECT_THAT(of_ingest.out, HasSubstr(method + "\n"));
  }
  const Printed of_executor = Curl(system_->executor(), "", {"--list-methods"});
  EXPECT_EQ(of_executor.exit, 0) << of_executor.err;
  for (const std::string method :
       {"runner.v1.ExecutorAdmin/ListRuns", "grpc.health.v1.Health/Check"}) {
    EXPECT_THAT(of_executor.out, HasSubstr(method + "\n"));
  }
}

TEST_F(BufCurlTest, CallsTheAdminServices) {
  const json status = Call(system_->ingest(), "runner.v1.IngestAdmin/GetStatus", json::object());
  EXPECT_EQ(status.at("clusters").at(0).at("name"), System::kCluster);
  EXPECT_EQ(status.at("executors").at(0).at("attached"), true);

  const json submitted = Call(system_->ingest(), "runner.v1.IngestAdmin/SubmitEvent",
                              {{"cluster", System::kCluster},
                               {"faultType", "CrashLoop"},
                               {"severity", "critical"},
                               {"resource", {{"kind", "Pod"}, {"name", "web-0"}}}});
  ASSERT_EQ(submitted.at("result"), "queued");
  const std::string id = submitted.at("incidentId");
  system_->AwaitFinished(id);
  const json runs = Call(system_->executor(), "runner.v1.ExecutorAdmin/ListRuns", json::object());
  EXPECT_EQ(runs.at("runs").at(0).at("lease").at("incidentId"), id);
}

TEST_F(BufCurlTest, AnErrorHasItsStatusCode) {
  const Printed refused =
      Curl(system_->ingest(), "/runner.v1.IngestAdmin/GetIncident",
           {"--data", R"({"incidentId": "01900000-0000-7000-8000-000000000000"})"});
  EXPECT_NE(refused.exit, 0);
  EXPECT_THAT(refused.err, HasSubstr("not_found"));
}

}  // namespace
}  // namespace runner
