#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/system.h"

namespace runner::support {

// One system for each test. When the test is over: what still runs must have counted every event
// and run, every line of every log must be one JSON object, everything ends on SIGTERM with 0, and
// waitid(2) proves that no process is left, neither ours nor an agent's, nor what those have left;
// nor does this process keep a descriptor that it did not have before.
class SystemTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // The scrapes add up; for use in the middle of a test.
  void ExpectBalance();

  std::unique_ptr<System> system_;

 private:
  void ExpectNoNewDescriptors();

  std::vector<std::string> descriptors_;  // before the test
};

// The same for tests that need the MCP server of tests/peers: skipped without it, unless
// RUNNER_REQUIRE_PEERS=1 makes that a failure.
class PeerTest : public SystemTest {
 protected:
  void SetUp() override;
};

// True when a peer that is not there is a failure.
bool PeersRequired();

// Ends the test when what it needs is missing, which the argument says, an optional text: skipped,
// unless that is a failure.
#define RUNNER_SKIP_IF_MISSING(missing)                      \
  if (const auto what = (missing)) {                         \
    if (::runner::support::PeersRequired()) FAIL() << *what; \
    GTEST_SKIP() << *what;                                   \
  }                                                          \
  static_assert(true)

}  // namespace runner::support
