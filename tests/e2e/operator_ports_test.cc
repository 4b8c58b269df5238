// Health and metrics with ordinary and slow clients, and while a loop is blocked.

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/unique_fd.h"
#include "tests/support/eventually.h"
#include "tests/support/process_memory.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Seconds = std::chrono::duration<double>;

std::string HealthUrl(const ServiceProcess& service, const std::string& path) {
  return "http://127.0.0.1:" + std::to_string(service.health_port()) + path;
}
std::string MetricsUrl(const ServiceProcess& service, const std::string& path = "/metrics") {
  return "http://127.0.0.1:" + std::to_string(service.metrics_port()) + path;
}

// Stops the main thread of a process, which runs its loop; its other threads continue.
class StoppedMainThread {
 public:
  explicit StoppedMainThread(pid_t pid) : pid_(pid) {
    seized_ = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
    if (!seized_) return;
    ::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
    int status = 0;
    ::waitpid(pid, &status, __WALL);
  }
  ~StoppedMainThread() {
    if (seized_) ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
  }
  StoppedMainThread(const StoppedMainThread&) = delete;
  StoppedMainThread& operator=(const StoppedMainThread&) = delete;
  explicit operator bool() const { return seized_; }

 private:
  const pid_t pid_;
  bool seized_ = false;
};

// A slow scraper: it sends its request byte by byte, or at once without reading the response. If
// the server closes the connection, it connects again.
class SlowScraper {
 public:
  SlowScraper(int port, bool drips) : port_(port), drips_(drips) { Connect(); }

  void GoOn() {
    const std::string_view rest = std::string_view(kRequest).substr(sent_);
    const std::size_t size = drips_ ? std::min<std::size_t>(1, rest.size()) : rest.size();
    if (size == 0 && ++idle_ < kTurnsWithoutNews) return;
    const auto sent = ::send(fd_.Get(), rest.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size == 0 || sent < 0) return Connect();
    sent_ += static_cast<std::size_t>(sent);
  }
  int connections() const { return connections_; }

 private:
  static constexpr char kRequest[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
  static constexpr int kTurnsWithoutNews = 50;

  void Connect() {
    fd_.Reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int small = 1;  // the kernel's minimum, smaller than the response
    ::setsockopt(fd_.Get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // A server that has closed is detected by the next write.
    std::ignore = ::connect(fd_.Get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    sent_ = 0;
    idle_ = 0;
    ++connections_;
  }

  const int port_;
  const bool drips_;
  UniqueFd fd_;
  std::size_t sent_ = 0;
  int idle_ = 0;
  int connections_ = 0;
};

class OperatorPortsTest : public SystemTest {
 protected:
  void SetUp() override {
    SystemTest::SetUp();
    if (system_) system_->StartWithoutPeer({system_->TestAgent(), "exit"});
  }
  // Returns the duration of a probe.
  static Seconds Probe(const ServiceProcess& service) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(service.Health("/healthz").status, 200) << service.name();
    return std::chrono::steady_clock::now() - began;
  }
};

TEST_F(OperatorPortsTest, VerboseListsEveryCheck) {
  const ServiceProcess& ingest = system_->ingest();
  const ServiceProcess& executor = system_->executor();
  EXPECT_EQ(ingest.Health("/healthz?verbose").body,
            "[+]shutdown ok\n[+]ingest ok\n[+]connections ok\n[+]grpc ok\n");
  EXPECT_EQ(ingest.Health("/readyz?verbose").body,
            "[-]mcp: no active SSE connections\n[+]breaker ok\n[+]shutdown ok\n");
  EXPECT_EQ(executor.Health("/healthz?verbose").body,
            "[+]shutdown ok\n[+]executor ok\n[+]grpc ok\n");
  EXPECT_EQ(executor.Health("/readyz?verbose").body, "[+]ingest ok\n[+]shutdown ok\n");
}

TEST_F(OperatorPortsTest, OtherPathsAreNotFoundAndOtherMethodsNotAllowed) {
  for (const ServiceProcess* service : system_->services()) {
    EXPECT_EQ(HttpGet(HealthUrl(*service, "/")).status, 404);
    EXPECT_EQ(HttpGet(HealthUrl(*service, "/metrics")).status, 404);
    EXPECT_EQ(HttpGet(MetricsUrl(*service, "/healthz")).status, 404);
    for (const char* path : {"/healthz", "/readyz"}) {
      EXPECT_EQ(HttpPost(HealthUrl(*service, path), "").status, 405) << path;
    }
    EXPECT_EQ(HttpPost(MetricsUrl(*service), "").status, 405);
  }
}

TEST_F(OperatorPortsTest, ABlockedLoopFailsHealthAndScrapesUntilItContinues) {
  ServiceProcess& ingest = system_->ingest();
  ServiceProcess& executor = system_->executor();
  const std::vector<std::pair<ServiceProcess*, std::string>> services = {{&ingest, "ingest"},
                                                                         {&executor, "executor"}};
  {
    const StoppedMainThread first(ingest.process().pid());
    const StoppedMainThread second(executor.process().pid());
    if (!first || !second) GTEST_SKIP() << "needs the right to trace its children";
    const auto began = std::chrono::steady_clock::now();
    for (const auto& [service, loop] : services) {
      Probe(*service);  // posts a ping to the loop
      EXPECT_EQ(HttpGet(MetricsUrl(*service)).status, 500) << loop;
      EXPECT_TRUE(service->log().Has(
          "Request failed",
          {{"path", "/metrics"}, {"error", "the event loop did not answer in time"}}));
    }
    for (const auto& [service, loop] : services) {
      ASSERT_TRUE(Eventually([&] { return service->Health("/healthz").status == 503; })) << loop;
      const std::string why = "loop " + loop + " does not answer";
      EXPECT_EQ(service->Health("/healthz").body, why + "\n");
      EXPECT_THAT(service->Health("/healthz?verbose").body,
                  ::testing::StartsWith("[+]shutdown ok\n[-]" + loop + ": " + why + "\n"));
    }
    EXPECT_GE(std::chrono::steady_clock::now() - began, 9s) << "a ping times out after 10 s";
  }
  for (const auto& [service, loop] : services) {
    EXPECT_TRUE(Eventually([&] { return service->Health("/healthz").status == 200; })) << loop;
    EXPECT_EQ(HttpGet(MetricsUrl(*service)).status, 200) << loop;
  }
  system_->AwaitAttached();
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("web-0")).status(), "success");
}

TEST_F(OperatorPortsTest, FiftySlowScrapersDoNotDelayProbes) {
  constexpr int kScrapers = 50;
  constexpr auto kTime = 3s;  // three times the server's limit for a request
  for (ServiceProcess* service : system_->services()) {
    std::vector<SlowScraper> scrapers;
    scrapers.reserve(kScrapers);
    for (int i = 0; i < kScrapers; ++i) scrapers.emplace_back(service->metrics_port(), i % 2 == 0);
    Seconds slowest{};
    int probes = 0;
    const auto began = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - began < kTime) {
      for (SlowScraper& scraper : scrapers) scraper.GoOn();
      slowest = std::max(slowest, Probe(*service));
      ++probes;
    }
    int connections = 0;
    for (const SlowScraper& scraper : scrapers) connections += scraper.connections();
    std::cout << service->name() << ": " << probes << " probes, slowest " << slowest.count()
              << " s, " << connections << " slow connections\n";
    EXPECT_LT(slowest, kSanitized ? 3s : 1s) << service->name();
    EXPECT_GT(connections, kScrapers) << "the server closes them";
    scrapers.clear();
    EXPECT_TRUE(Eventually([&] { return HttpGet(MetricsUrl(*service)).status == 200; }));
  }
}

}  // namespace
}  // namespace runner
