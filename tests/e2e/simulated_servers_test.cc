// Simulated servers that freeze and flood, and their effect on other clusters and on operators.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/eventually.h"
#include "tests/support/process_memory.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;

class SimulatedServersTest : public SystemTest {
 protected:
  using Seconds = std::chrono::duration<double>;

  ServiceProcess& ingest() { return system_->ingest(); }
  double Count(const std::string& name, const MetricsText::Labels& labels = {}) {
    return ingest().Metrics().Sum(name, labels);
  }
  // Requests both operator ports; returns the duration of the slower one.
  Seconds AskOperatorPorts() {
    const auto took = [](const auto& ask) {
      const auto began = std::chrono::steady_clock::now();
      ask();
      return Seconds(std::chrono::steady_clock::now() - began);
    };
    return std::max(took([&] { EXPECT_EQ(ingest().Health("/healthz").status, 200); }),
                    took([&] { ingest().Metrics(); }));
  }
};

// --- row 3 ----------------------------------------------------------------------------------

TEST_F(SimulatedServersTest, AFrozenServerDelaysNoOtherAndIsResubscribedAfterwards) {
  const Words busy = {"--rate", "10", "--quiet"};
  FaultsimProcess& frozen = system_->StartFaultsim(busy);
  FaultsimProcess& other = system_->StartFaultsim(busy);
  system_->StartIngestAt({{"frozen", frozen.endpoint()}, {"other", other.endpoint()}},
                         {"--sse-ping-interval", "0.3", "--sse-reconnect-initial-delay", "0.1",
                          "--sse-reconnect-max-delay", "0.5"});
  const auto received = [&](const char* cluster) {
    return Count("events_received_total", {{"cluster", cluster}});
  };
  const auto subscribed = [&](const char* cluster) {
    return Count("sse_connections_active", {{"cluster", cluster}}) == 1;
  };
  ASSERT_TRUE(Eventually([&] { return received("frozen") >= 3 && received("other") >= 3; }));

  frozen.process().Signal(SIGSTOP);
  // A check times out after 10 s; the second timeout ends the session.
  Seconds slowest{};
  int scrapes = 0;
  const double before = received("other");
  ASSERT_TRUE(Eventually(
      [&] {
        slowest = std::max(slowest, AskOperatorPorts());
        ++scrapes;
        return !subscribed("frozen");
      },
      60s));
  EXPECT_LT(slowest, 1s);
  EXPECT_GT(received("other"), before) << "while the first one is frozen";
  EXPECT_TRUE(subscribed("other"));
  EXPECT_EQ(Count("sse_connection_errors_total", {{"cluster", "other"}}), 0);
  EXPECT_GE(Count("sse_connection_errors_total", {{"cluster", "frozen"}, {"reason", "timeout"}}),
            1);
  const double at_noticing = received("other");
  EXPECT_TRUE(Eventually([&] { return received("other") > at_noticing; }));
  std::cout << "requested " << scrapes << " times, slowest " << slowest.count()
            << " s, other cluster " << at_noticing - before << " events\n";

  const double of_frozen = received("frozen");
  frozen.process().Signal(SIGCONT);
  ASSERT_TRUE(Eventually([&] { return subscribed("frozen"); }, 40s));
  EXPECT_TRUE(Eventually([&] { return received("frozen") > of_frozen; }));
  EXPECT_GE(ingest().log().With("SSE connection established", {{"cluster", "frozen"}}).size(), 2u);
}

// --- row 21 ---------------------------------------------------------------------------------

// Without an executor each event ends in the queue, or is evicted or rejected.
TEST_F(SimulatedServersTest, AHundredThousandEventsAreCountedInBoundedMemory) {
  constexpr int kEvents = kSanitized ? 25'000 : 100'000;  // sanitized builds are slow
  const auto script = system_->directory() / "flood.json";
  // The server's own faults are muted, so that exactly the events of the script arrive.
  WriteFile(script, R"({"rules": [{"match": {"method": "GET"}, "steps":
      ["serve", "mute", {"flood": {"count": )" +
                        std::to_string(kEvents) + "}}]}]}");
  FaultsimProcess& faultsim = system_->StartFaultsim({"--script", script, "--count", "1"});
  faultsim.Kill();  // until the idle memory of ingest is measured
  system_->StartIngest({"--mcp-endpoint", faultsim.endpoint(), "--log-level", "info",
                        "--sse-reconnect-initial-delay", "0.1", "--sse-reconnect-max-delay",
                        "0.5"});
  ASSERT_TRUE(Eventually([&] { return Count("sse_connection_errors_total") >= 1; }));
  const std::size_t before = PeakResidentMemory(ingest().process().pid());

  faultsim.Restart();
  const auto began = std::chrono::steady_clock::now();
  Seconds slowest{};
  int scrapes = 0;
  double received = 0;
  ASSERT_TRUE(Eventually(
      [&] {
        slowest = std::max(slowest, AskOperatorPorts());
        received = Count("events_received_total");
        scrapes += received > 0 && received < kEvents ? 1 : 0;
        return received >= kEvents;
      },
      300s))
      << received;
  const Seconds took = std::chrono::steady_clock::now() - began;
  ASSERT_TRUE(Eventually([&] { return Count("sse_connections_active") == 1; }));
  const std::size_t most = PeakResidentMemory(ingest().process().pid());
  std::cout << "took " << took.count() << " s, requested " << scrapes << " times in it, slowest "
            << slowest.count() << " s, resident before " << before / 1024 << " KiB, at most "
            << most / 1024 << " KiB\n";

  EXPECT_GE(scrapes, 1) << "while it went on";
  EXPECT_LT(slowest, kSanitized ? 5s : 1s);
  if (!kSanitized) {
    EXPECT_LT(most, before + (std::size_t{32} << 20));
  }

  const MetricsText scrape = ingest().Metrics();
  EXPECT_EQ(scrape.Sum("events_received_total"), kEvents);
  EXPECT_EQ(scrape.Sum("events_invalid_total"), 0);
  EXPECT_EQ(scrape.Sum("events_filtered_total"), 0) << "each event has its own pod";
  EXPECT_EQ(scrape.Sum("events_rejected_total") + scrape.Sum("events_queued_total"), kEvents);
  EXPECT_EQ(scrape.Sum("events_evicted_total") + scrape.Sum("queue_depth"),
            scrape.Sum("events_queued_total"));
  EXPECT_EQ(scrape.Sum("queue_depth"), 100) << "as many as may wait for a cluster";
  ExpectBalance();
  EXPECT_EQ(ingest().log().With("SSE connection established").size(), 1u)
      << "the stream is not closed";
}

}  // namespace
}  // namespace runner
