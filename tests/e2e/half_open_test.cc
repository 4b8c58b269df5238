// A network that swallows packets: nobody is told that the connection is dead. tcp(7).

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;

// The way to a process in a network namespace of its own: a pair of interfaces. It needs no end,
// since the namespace has no name: the kernel removes it, and both interfaces with it, when the
// process has ended, however this test ends. network_namespaces(7), veth(4).
class Cable {
 public:
  // Why there can be none here; nothing when there can.
  static std::optional<std::string> Missing() {
    for (const char* program : {"ip", "unshare", "nsenter"}) {
      if (!FindProgram(program)) return std::string(program) + " is not installed";
    }
    if (Run({"unshare", "--net", "true"}) != 0) return "network namespaces need root";
    return std::nullopt;
  }

  // Two tests may run at a time: names and addresses are of this process. 198.18.0.0/15 is for
  // tests of networks (RFC 2544).
  explicit Cable(pid_t inside) : inside_("/proc/" + std::to_string(inside) + "/ns/net") {
    Must({"ip", "link", "add", near_, "type", "veth", "peer", "name", far_, "netns",
          std::to_string(inside)});
    Must({"ip", "address", "add", Address(1) + "/30", "dev", near_});
    Must({"ip", "link", "set", near_, "up"});
    MustInside({"ip", "address", "add", Address(2) + "/30", "dev", far_});
    Plug();
  }

  std::string far_address() const { return Address(2); }
  // Packets of both sides vanish; the near side keeps its route and is told nothing.
  void Pull() { MustInside({"ip", "link", "set", far_, "down"}); }
  void Plug() { MustInside({"ip", "link", "set", far_, "up"}); }

 private:
  static int Run(const Words& command) {
    ChildProcess::Command all;
    all.argv = command;
    all.directory = "/";
    all.stdout_file = all.stderr_file = "/dev/null";
    return ChildProcess(all).WaitForExit(10s).value_or(-1);
  }
  static void Must(const Words& command) {
    const int code = Run(command);
    std::string text;
    for (const std::string& word : command) text += word + " ";
    if (code != 0) throw std::runtime_error(text + "ends with " + std::to_string(code));
  }
  void MustInside(const Words& command) const {
    Words all = {"nsenter", "--net=" + inside_};
    all.insert(all.end(), command.begin(), command.end());
    Must(all);
  }
  static std::string Address(int host) {
    const int network = ::getpid() % (64 * 256);
    return "198.18." + std::to_string(network / 64) + "." + std::to_string(network % 64 * 4 + host);
  }

  const std::string inside_;
  const std::string near_ = "near" + std::to_string(::getpid());
  const std::string far_ = "far" + std::to_string(::getpid());
};

class HalfOpenTest : public SystemTest {
 protected:
  void SetUp() override {
    if (const auto missing = Cable::Missing()) {
      if (PeersRequired()) FAIL() << *missing;
      GTEST_SKIP() << *missing;
    }
    SystemTest::SetUp();
  }
};

TEST_F(HalfOpenTest, Row2_AConnectionWhosePacketsVanishIsNoticedByTheIdleTimeoutAndOpenedAnew) {
  const auto script = system_->directory() / "keepalives.json";
  WriteFile(script, R"({"rules": [{"match": {"method": "GET"}, "steps": ["serve",
      {"comment": "first"}, {"comment": "second"},
      {"repeat": {"steps": [{"comment": "keepalive"}, {"wait": 100}]}}]}]})");
  FaultsimProcess faultsim(system_->directory(), {"--rate", "10", "--script", script},
                           {.host = "0.0.0.0", .wrapper = {"unshare", "--net"}});
  Cable cable(faultsim.process().pid());
  ServiceProcess& ingest = system_->StartIngest(
      {"--mcp-endpoint",
       "http://" + cable.far_address() + ":" + std::to_string(faultsim.port()) + "/mcp",
       "--sse-idle-timeout", "2", "--sse-reconnect-initial-delay", "0.1",
       "--sse-reconnect-max-delay", "0.5"});
  const auto count = [&](const char* name) { return ingest.Metrics().Sum(name); };
  ASSERT_TRUE(Eventually([&] { return count("events_received_total") >= 3; }));
  ASSERT_EQ(count("sse_connection_errors_total"), 0);

  cable.Pull();
  ASSERT_TRUE(Eventually([&] { return count("sse_connection_errors_total") >= 1; }));
  EXPECT_EQ(count("sse_connections_active"), 0);
  EXPECT_EQ(ingest.Health("/readyz").status, 503);
  const auto failure = ingest.log().With("SSE connection failed, retrying").front();
  EXPECT_EQ(failure.at("reason"), "timeout") << failure;
  const double before = count("events_received_total");

  cable.Plug();
  ASSERT_TRUE(Eventually([&] { return count("sse_connections_active") == 1; }, 40s));
  EXPECT_TRUE(Eventually([&] { return count("events_received_total") > before; }));
  EXPECT_EQ(ingest.log().With("SSE connection established").size(), 2u);
  EXPECT_EQ(ingest.Health("/readyz").status, 200);
}

}  // namespace
}  // namespace runner
