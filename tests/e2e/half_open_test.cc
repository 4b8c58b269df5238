// A network that drops all packets, so that no peer sees the end of the connection: tcp(7).

#include <chrono>
#include <string>

#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/network.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;

class HalfOpenTest : public SystemTest {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(Network::Missing());
    SystemTest::SetUp();
  }
};

TEST_F(HalfOpenTest, AConnectionThatLosesItsPacketsTimesOutAndIsReopened) {
  const auto script = system_->directory() / "keepalives.json";
  WriteFile(script, R"({"rules": [{"match": {"method": "GET"}, "steps": ["serve",
      {"comment": "first"}, {"comment": "second"},
      {"repeat": {"steps": [{"comment": "keepalive"}, {"wait": 100}]}}]}]})");
  FaultsimProcess faultsim(system_->directory(), {"--rate", "10", "--script", script},
                           {.host = "0.0.0.0", .wrapper = {"unshare", "--net"}});
  Network network;
  const std::string address = network.Connect(faultsim.process().pid());
  ServiceProcess& ingest = system_->StartIngest(
      {"--mcp-endpoint", "http://" + address + ":" + std::to_string(faultsim.port()) + "/mcp",
       "--sse-idle-timeout", "2", "--sse-reconnect-initial-delay", "0.1",
       "--sse-reconnect-max-delay", "0.5"});
  const auto count = [&](const char* name) { return ingest.Metrics().Sum(name); };
  ASSERT_TRUE(Eventually([&] { return count("events_received_total") >= 3; }));
  ASSERT_EQ(count("sse_connection_errors_total"), 0);

  network.Pull(address);
  ASSERT_TRUE(Eventually([&] { return count("sse_connection_errors_total") >= 1; }));
  EXPECT_EQ(count("sse_connections_active"), 0);
  EXPECT_EQ(ingest.Health("/readyz").status, 503);
  const auto failure = ingest.log().With("SSE connection failed, retrying").front();
  EXPECT_EQ(failure.at("reason"), "timeout") << failure;
  const double before = count("events_received_total");

  network.Plug(address);
  ASSERT_TRUE(Eventually([&] { return count("sse_connections_active") == 1; }, 40s));
  EXPECT_TRUE(Eventually([&] { return count("events_received_total") > before; }));
  EXPECT_EQ(ingest.log().With("SSE connection established").size(), 2u);
  EXPECT_EQ(ingest.Health("/readyz").status, 200);
}

}  // namespace
}  // namespace runner
