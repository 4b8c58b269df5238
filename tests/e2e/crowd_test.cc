// One ingest with many servers: the memory of a session, and a restart of all servers.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/eventually.h"
#include "tests/support/process_memory.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;

constexpr const char* kEstablished = "SSE connection established";
constexpr const char* kFailed = "SSE connection failed, retrying";

// Counts a text in a growing file, reading on from the last position.
class Occurrences {
 public:
  Occurrences(std::filesystem::path file, std::string text)
      : file_(std::move(file)), text_(std::move(text)) {}

  std::size_t Count() {
    std::ifstream in(file_);
    in.seekg(read_);
    for (std::string line; std::getline(in, line) && !in.eof();) {
      read_ += static_cast<std::streamoff>(line.size()) + 1;
      count_ += line.find(text_) != std::string::npos ? 1 : 0;
    }
    return count_;
  }

 private:
  const std::filesystem::path file_;
  const std::string text_;
  std::streamoff read_ = 0;
  std::size_t count_ = 0;
};

// The time of a log line in seconds since 1970.
double TimeOf(const nlohmann::json& line) {
  const std::string text = line.at("time");
  std::tm utc{};
  const char* const fraction = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  if (fraction == nullptr) throw std::runtime_error("not a time: " + text);
  return static_cast<double>(::timegm(&utc)) + std::strtod(fraction, nullptr);
}

// The largest fraction of the times within a window of this length.
double LargestPart(std::vector<double> times, double window) {
  std::sort(times.begin(), times.end());
  std::size_t most = 0;
  for (std::size_t first = 0, end = 0; end < times.size(); ++end) {
    while (times[end] - times[first] > window) ++first;
    most = std::max(most, end - first + 1);
  }
  return static_cast<double>(most) / static_cast<double>(times.size());
}

class CrowdTest : public SystemTest {
 protected:
  void SetUp() override {
    const char* const clusters = std::getenv("RUNNER_CROWD_CLUSTERS");
    if (clusters != nullptr) clusters_ = std::strtoul(clusters, nullptr, 10);
    ASSERT_GE(clusters_, 2u);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    // One descriptor for each stream, and some for requests.
    if (const auto needed = clusters_ + 1000; limit.rlim_max < needed) {
      GTEST_SKIP() << needed << " descriptors are needed, the hard limit is " << limit.rlim_max;
    }
    timeout_ = kRpcTimeout + clusters_ * 20ms;
    SystemTest::SetUp();
  }
  // Starts ingest with the first `clusters` clusters and waits until all are subscribed. Sends no
  // other request before that, since requests cost memory that no session holds.
  ServiceProcess& StartIngestOf(std::size_t clusters, const FaultsimProcess& faultsim) {
    Endpoints endpoints;
    for (std::size_t i = 0; i < clusters; ++i) {
      const std::string name = "c" + std::to_string(i);
      endpoints.emplace_back(name, faultsim.EndpointOf(name));
    }
    // Delays of 1.5 to 2.5 s.
    ServiceProcess& ingest = system_->StartIngestAt(
        endpoints, {"--log-level", "info", "--sse-reconnect-initial-delay", "2"});
    Occurrences established(ingest.log().path(), kEstablished);
    EXPECT_TRUE(Eventually([&] { return established.Count() >= clusters; }, timeout_))
        << established.Count() << " are subscribed";
    return ingest;
  }
  static std::size_t Resident(ServiceProcess& ingest) {
    return ResidentMemory(ingest.process().pid());
  }

  std::size_t clusters_ = 500;
  Duration timeout_{};
};

TEST_F(CrowdTest, SessionsUseLittleMemoryAndSpreadTheirReconnects) {
  FaultsimProcess& faultsim = system_->StartFaultsim({"--count", "1", "--quiet"});
  std::size_t of_one = 0;
  {
    ServiceProcess& alone = StartIngestOf(1, faultsim);
    of_one = Resident(alone);
    alone.Terminate();
    ASSERT_EQ(alone.WaitForExit(kRpcTimeout), 0);
  }
  const auto began = std::chrono::steady_clock::now();
  const auto elapsed = [&began] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  ServiceProcess& ingest = StartIngestOf(clusters_, faultsim);
  ASSERT_FALSE(HasFailure());
  const double took = elapsed();
  const auto per_session = [&] {
    const auto more = static_cast<double>(Resident(ingest)) - static_cast<double>(of_one);
    return more / 1024 / static_cast<double>(clusters_ - 1);
  };
  const double at_first = per_session();
  const auto active = [&] { return ingest.Metrics().Sum("sse_connections_active"); };
  ASSERT_EQ(active(), clusters_);
  if (!kSanitized) {
    EXPECT_LE(at_first, 40) << "KiB";
  }

  const std::size_t failed_before = ingest.log().With(kFailed).size();
  Occurrences established(ingest.log().path(), kEstablished);
  const std::size_t established_before = established.Count();
  faultsim.Kill();
  faultsim.Restart();
  const double restarted = elapsed();
  ASSERT_TRUE(
      Eventually([&] { return established.Count() >= established_before + clusters_; }, timeout_))
      << established.Count() - established_before << " are subscribed again";
  ASSERT_TRUE(Eventually([&] { return active() == static_cast<double>(clusters_); }, timeout_));
  const double back = elapsed() - restarted;

  // The planned time of each first attempt after the restart, from the log. The actual time depends
  // on the load of the machine.
  std::set<std::string> failed;
  std::vector<double> due;
  const auto failures = ingest.log().With(kFailed);
  for (std::size_t i = failed_before; i < failures.size(); ++i) {
    if (!failed.insert(failures[i].at("cluster")).second) continue;
    // A session with a request in progress fails by its response, or by the lack of one.
    EXPECT_THAT(failures[i].at("reason").get<std::string>(),
                ::testing::AnyOf("network", "session_expired", "timeout"))
        << failures[i];
    due.push_back(TimeOf(failures[i]) + failures[i].at("retry_in").get<double>());
  }
  EXPECT_EQ(failed.size(), clusters_);
  // The attempts are spread over one second: an even spread has a tenth of them in each tenth of
  // it.
  const double in_one_window = LargestPart(due, 0.1);
  EXPECT_LT(in_one_window, 0.25);

  const double at_last = per_session();
  if (!kSanitized) {
    EXPECT_LE(at_last, 64) << "KiB, with scrapes and what a restart leaves";
  }
  RecordProperty("KiBPerSession", std::to_string(at_first));
  std::cout << clusters_ << " clusters: subscribed in " << took << " s, " << at_first
            << " KiB a session over " << of_one / 1024
            << " KiB of one; all restarted: subscribed in " << back << " s, at most "
            << in_one_window * 100 << " % of the attempts in any 100 ms, then " << at_last
            << " KiB a session\n";
}

}  // namespace
}  // namespace runner
