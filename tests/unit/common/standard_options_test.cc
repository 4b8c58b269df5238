#include "common/standard_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

class StandardOptionsTest : public testing::Test {
 protected:
  StandardOptionsTest() {
    DeclareCommonOptions(table_, {9090, 8080, "127.0.0.1:50051"}, &options_);
  }

  std::vector<std::string> Problems(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "program");
    return table_
        .Parse(static_cast<int>(arguments.size()), arguments.data(),
               [](const std::string&) { return std::nullopt; })
        .problems;
  }

  CommonOptions options_;
  ConfigTable table_{"program", "summary"};
};

TEST_F(StandardOptionsTest, HaveTheDefaultsOfTheProgram) {
  EXPECT_TRUE(Problems({}).empty());
  EXPECT_EQ(options_.metrics_port, 9090);
  EXPECT_EQ(options_.health_port, 8080);
  EXPECT_EQ(options_.grpc_listen, "127.0.0.1:50051");
  EXPECT_EQ(options_.bind_address, "0.0.0.0");
  EXPECT_EQ(options_.shutdown_timeout, std::chrono::seconds(30));
  EXPECT_EQ(options_.log_level, LogLevel::kInfo);
  EXPECT_EQ(options_.log_format, LogFormat::kAuto);
}

TEST_F(StandardOptionsTest, PlainTextStaysOnThisMachine) {
  EXPECT_TRUE(Problems({"--grpc-listen=unix:/run/x.sock"}).empty());
  EXPECT_TRUE(Problems({"--grpc-listen=[::1]:0"}).empty());
  EXPECT_THAT(Problems({"--grpc-listen=0.0.0.0:50051"}),
              testing::ElementsAre(testing::HasSubstr("--grpc-insecure")));
  EXPECT_TRUE(Problems({"--grpc-listen=0.0.0.0:50051", "--grpc-insecure"}).empty());
}

TEST_F(StandardOptionsTest, RefuseWrongValues) {
  EXPECT_EQ(Problems({"--log-level=loud", "--log-format=xml", "--bind-address=everywhere",
                      "--grpc-listen=nowhere", "--shutdown-timeout=-1"})
                .size(),
            5u);
}

}  // namespace
}  // namespace runner
