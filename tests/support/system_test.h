#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/system.h"

namespace runner::support {

// One system for each test. At the end of a test: all programs that still run must have counted
// every event and run; every line of every log is one JSON object; every program ends on SIGTERM
// with 0; waitid(2) proves that no process is left, neither a program nor an agent nor their
// descendants; and this process has no more descriptors than before.
class SystemTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Checks that the scrapes add up; for use during a test.
  void ExpectBalance();

  std::unique_ptr<System> system_;

 private:
  void ExpectNoNewDescriptors();

  std::vector<std::string> descriptors_;  // before the test
};

// The same for tests that need the MCP server of tests/peers: skipped without it, or failed if
// RUNNER_REQUIRE_PEERS=1.
class PeerTest : public SystemTest {
 protected:
  void SetUp() override;
};

// True if a missing peer is a failure.
bool PeersRequired();

// Ends the test if something it needs is missing: `missing` is the optional reason. The test is
// skipped, or fails if RUNNER_REQUIRE_PEERS=1.
#define RUNNER_SKIP_IF_MISSING(missing)                      \
  if (const auto what = (missing)) {                         \
    if (::runner::support::PeersRequired()) FAIL() << *what; \
    GTEST_SKIP() << *what;                                   \
  }                                                          \
  static_assert(true)

}  // namespace runner::support
