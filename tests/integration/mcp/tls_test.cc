// Connections over TLS.

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"
#include "tests/integration/mcp/tls_peer.h"

namespace runner::ingest {
namespace {

using ::testing::IsEmpty;

class TlsTest : public ConnectionTest {
 protected:
  void SetUp() override {
    if (const auto missing = TlsPeer::Missing()) {
      const char* const required = std::getenv("RUNNER_REQUIRE_PEERS");
      if (required != nullptr && std::string_view(required) == "1") FAIL() << *missing;
      GTEST_SKIP() << *missing;
    }
    peer_ = std::make_unique<TlsPeer>();
    StartServer();
  }
  void Serve(bool ask_for_client = false) {
    endpoint_ = "https://" + peer_->Serve(server_->address(), ask_for_client) + "/mcp";
  }
  ConnectionOptions Trusting(const std::string& authority) const {
    ConnectionOptions options = QuickOptions();
    options.tls.ca = peer_->File(authority);
    return options;
  }
  std::string FirstError() {
    RunUntil([&] { return !failures_.empty() || !sessions_.empty(); });
    return failures_.empty() ? "" : std::string(ToString(failures_.front().error));
  }

  std::unique_ptr<TlsPeer> peer_;
};

TEST_F(TlsTest, ConfiguredCaIsTrusted) {
  Serve();
  Connect(Trusting("ours.pem"));
  EXPECT_EQ(FirstError(), "");
  EXPECT_EQ(server_->Publish(), 1u);
  RunUntil([&] { return names_.size() == 1; });
  Close();
  EXPECT_EQ(server_->Requests("DELETE"), 1);
}

TEST_F(TlsTest, AnotherCaIsATlsError) {
  Serve();
  Connect(Trusting("foreign.pem"));
  EXPECT_EQ(FirstError(), "tls");
  EXPECT_THAT(server_->requests(), IsEmpty());
}

TEST_F(TlsTest, SystemCasDoNotTrustAPrivateCa) {
  Serve();
  Connect();
  EXPECT_EQ(FirstError(), "tls");
}

TEST_F(TlsTest, CertificateOfAnotherNameIsATlsError) {
  Serve();
  endpoint_.replace(endpoint_.find("127.0.0.1"), 9, "localhost");
  Connect(Trusting("ours.pem"));
  EXPECT_EQ(FirstError(), "tls");
}

TEST_F(TlsTest, MissingCaFileIsATlsErrorUntilItExists) {
  Serve();
  ConnectionOptions options = Trusting("later.pem");
  Connect(options);
  EXPECT_EQ(FirstError(), "tls");
  support::WriteFile(peer_->File("later.pem"), support::ReadFile(peer_->File("ours.pem")));
  RunUntil([&] { return !sessions_.empty(); });
}

TEST_F(TlsTest, ClientCertificateIsSent) {
  Serve(true);
  ConnectionOptions options = Trusting("ours.pem");
  options.tls.certificate = peer_->File("client.pem");
  options.tls.key = peer_->File("client.key");
  Connect(options);
  EXPECT_EQ(FirstError(), "");
}

TEST_F(TlsTest, MissingClientCertificateIsATlsError) {
  Serve(true);
  Connect(Trusting("ours.pem"));
  EXPECT_EQ(FirstError(), "tls");
  EXPECT_THAT(server_->requests(), IsEmpty());
}

TEST_F(TlsTest, KeyOfAnotherCertificateIsATlsError) {
  Serve(true);
  ConnectionOptions options = Trusting("ours.pem");
  options.tls.certificate = peer_->File("client.pem");
  options.tls.key = peer_->File("foreign.key");
  Connect(options);
  EXPECT_EQ(FirstError(), "tls");
}

TEST_F(TlsTest, KilledServerIsANetworkError) {
  Serve();
  Connect(Trusting("ours.pem"));
  ASSERT_EQ(FirstError(), "");
  peer_->Kill();
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "network");
}

}  // namespace
}  // namespace runner::ingest
