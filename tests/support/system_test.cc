#include "tests/support/system_test.h"

#include <chrono>
#include <cstdlib>
#include <string_view>

#include "tests/support/counting.h"
#include "tests/support/process_table.h"

namespace runner::support {
namespace {

constexpr Duration kAloneLimit = std::chrono::seconds(2);

}  // namespace

void SystemTest::SetUp() {
  BecomeSubreaper();
  system_ = std::make_unique<System>();
}

void SystemTest::ExpectBalance() {
  for (ServiceProcess* service : system_->services()) {
    if (!service->process().Running()) continue;
    const bool is_ingest = service->name().starts_with("ingest");
    const MetricsText scrape = service->Metrics();
    EXPECT_EQ(is_ingest ? ImbalanceOfIngest(scrape) : ImbalanceOfExecutor(scrape), "");
  }
}

void SystemTest::TearDown() {
  if (!system_) return;
  try {
    ExpectBalance();
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
  EXPECT_EQ(system_->Stop(), "");
  for (ServiceProcess* service : system_->services()) {
    for (const std::string& line : service->log().OtherLines()) {
      ADD_FAILURE() << service->name() << " wrote what is not a JSON object: " << line;
    }
  }
  const auto left = ReapUntilAlone(kAloneLimit);
  EXPECT_TRUE(left.empty()) << "processes are left:\n" << Describe(left);
  if (HasFailure()) std::cerr << system_->LogTails();
  system_.reset();
}

bool PeersRequired() {
  const char* const required = std::getenv("RUNNER_REQUIRE_PEERS");
  return required != nullptr && std::string_view(required) == "1";
}

void PeerTest::SetUp() {
  if (const auto missing = FaultServer::Missing()) {
    if (PeersRequired()) FAIL() << *missing;
    GTEST_SKIP() << *missing;
  }
  SystemTest::SetUp();
}

}  // namespace runner::support
