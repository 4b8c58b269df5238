// Pipes, devices and directories in place of configuration files.

#include <csignal>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

class FileKindsTest : public SystemTest {
 protected:
  static constexpr const char* kClusters =
      "clusters:\n  - {name: prod, endpoint: \"http://127.0.0.1:9/mcp\"}\n";

  std::filesystem::path MakeFifo(const std::string& name) const {
    const auto path = system_->directory() / name;
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  // The program must exit with 78 and this error.
  void ExpectRefused(const Words& argv, const std::string& why) {
    ChildProcess::Command command;
    command.argv = argv;
    command.directory = system_->directory();
    command.stdout_file = system_->directory() / "refused.out";
    command.stderr_file = system_->directory() / "refused.err";
    ChildProcess process(command);
    EXPECT_EQ(process.WaitForExit(5s), 78) << argv[0] << " " << why;
    EXPECT_THAT(ReadFile(command.stderr_file), HasSubstr(why)) << argv[0];
  }
  // Replaces a file by a FIFO atomically.
  void ReplaceByFifo(const std::filesystem::path& file) const {
    std::filesystem::rename(MakeFifo("fifo"), file);
  }
};

TEST_F(FileKindsTest, AConfigurationThatIsNotARegularFileIsRejected) {
  const auto fifo = MakeFifo("config.fifo").string();
  for (const char* program : {RUNNER_INGEST, RUNNER_EXECUTOR}) {
    ExpectRefused({program, "--config", fifo}, "not a regular file but a pipe");
    ExpectRefused({program, "--config", "/dev/zero"}, "not a regular file but a device");
    ExpectRefused({program, "--config", "/"}, "not a regular file but a directory");
  }
}

TEST_F(FileKindsTest, AReloadFromAPipeChangesNothing) {
  ServiceProcess& ingest = system_->StartIngestWith(kClusters);
  const auto file = system_->directory() / "ingest.yaml";
  ReplaceByFifo(file);
  ingest.process().Signal(SIGHUP);
  ASSERT_TRUE(Eventually([&] { return ingest.log().Has("Configuration not reloaded"); }));
  EXPECT_EQ(ingest.Health("/healthz").status, 200);
  WriteFile(system_->directory() / "good", std::string(kClusters) +
                                               "  - {name: west, endpoint: "
                                               "\"http://127.0.0.1:9/mcp\"}\n");
  std::filesystem::rename(system_->directory() / "good", file);
  EXPECT_TRUE(Eventually([&] {
    return ingest.log().Has("Clusters reloaded", {{"added", nlohmann::json::array({"west"})}});
  }));
}

TEST_F(FileKindsTest, ATokenFileThatIsAPipeIsRejected) {
  const auto file = system_->directory() / "ingest.yaml";
  WriteFile(file,
            "clusters:\n  - {name: prod, endpoint: \"http://127.0.0.1:9/mcp\", token_file: \"" +
                MakeFifo("token.fifo").string() + "\"}\n");
  ExpectRefused({RUNNER_INGEST, "--config", file}, "not a regular file but a pipe");
}

TEST_F(FileKindsTest, ATokenFileThatBecomesAPipeDoesNotBlock) {
  const auto token = system_->directory() / "token";
  WriteFile(token, "secret");
  ServiceProcess& ingest =
      system_->StartIngest({"--mcp-token-file", token, "--sse-reconnect-initial-delay", "0.1"});
  ReplaceByFifo(token);
  EXPECT_TRUE(ingest.log().ComesToSay("SSE connection failed, retrying", "but a pipe"));
  EXPECT_EQ(ingest.Health("/healthz").status, 200);
}

}  // namespace
}  // namespace runner
