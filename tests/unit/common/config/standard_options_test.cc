#include "common/config/standard_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tests/support/test_authority.h"

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

TEST_F(StandardOptionsTest, WithTlsAnyAddressWillDo) {
  const support::TempDir directory;
  const support::TestCertificate root("root");
  const TlsFiles files = root.Issue({.subject = "own"}).Write(directory.path(), root.pem());
  const std::string certificate = "--grpc-tls-cert=" + files.certificate;
  const std::string key = "--grpc-tls-key=" + files.key;
  const std::string authorities = "--grpc-tls-ca=" + files.ca;
  EXPECT_TRUE(Problems({"--grpc-listen=0.0.0.0:50051", certificate.c_str(), key.c_str(),
                        authorities.c_str()})
                  .empty());
  EXPECT_EQ(options_.grpc_tls, files);
}

TEST_F(StandardOptionsTest, TheThreeFilesOfTlsGoTogether) {
  EXPECT_THAT(Problems({"--grpc-tls-cert=/a"}),
              testing::ElementsAre(testing::HasSubstr("not all of them are set")));
  EXPECT_THAT(Problems({"--grpc-tls-cert=/a", "--grpc-tls-key=/b"}),
              testing::ElementsAre(testing::HasSubstr("not all of them are set")));
}

TEST_F(StandardOptionsTest, RefuseWrongValues) {
  EXPECT_EQ(Problems({"--log-level=loud", "--log-format=xml", "--bind-address=everywhere",
                      "--grpc-listen=nowhere", "--shutdown-timeout=-1"})
                .size(),
            5u);
}

}  // namespace
}  // namespace runner
