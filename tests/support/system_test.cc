#include "tests/support/system_test.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "tests/support/counting.h"
#include "tests/support/descriptors.h"
#include "tests/support/eventually.h"
#include "tests/support/process_table.h"

namespace runner::support {
namespace {

constexpr Duration kAloneLimit = std::chrono::seconds(2);

}  // namespace

void SystemTest::SetUp() {
  BecomeSubreaper();
  descriptors_ = OpenDescriptors();
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
  ExpectNoNewDescriptors();
}

// gRPC closes its sockets on its own threads, some time after the channel is destroyed.
void SystemTest::ExpectNoNewDescriptors() {
  std::string added;
  const auto look = [&] {
    const std::vector<std::string> now = OpenDescriptors();
    std::vector<std::string> more;
    std::set_difference(now.begin(), now.end(), descriptors_.begin(), descriptors_.end(),
                        std::back_inserter(more));
    added.clear();
    for (const std::string& one : more) added += one + '\n';
    return added.empty();
  };
  EXPECT_TRUE(Eventually(look, kAloneLimit)) << "descriptors are left:\n" << added;
}

bool PeersRequired() {
  const char* const required = std::getenv("RUNNER_REQUIRE_PEERS");
  return required != nullptr && std::string_view(required) == "1";
}

void PeerTest::SetUp() {
  RUNNER_SKIP_IF_MISSING(FaultServer::Missing());
  SystemTest::SetUp();
}

}  // namespace runner::support
