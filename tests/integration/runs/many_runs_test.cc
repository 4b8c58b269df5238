#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

#include "tests/integration/runs/supervisor_fixture.h"

#if defined(__SANITIZE_ADDRESS__)
#define RUNNER_TEST_KEEPS_FREED_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RUNNER_TEST_KEEPS_FREED_MEMORY 1
#endif
#endif

namespace runner::executor {
namespace {

constexpr std::uint32_t kCodes = 256;
constexpr std::size_t kSlots = 4;
constexpr Duration kLimitPerRun = std::chrono::milliseconds(100);
constexpr std::int64_t kMayGrow = 2 << 20;
#ifdef RUNNER_TEST_KEEPS_FREED_MEMORY
constexpr bool kFreedMemoryIsKept = true;  // in the quarantine of AddressSanitizer
constexpr std::uint32_t kRuns = 1'000;     // its shims are slow
#else
constexpr bool kFreedMemoryIsKept = false;
constexpr std::uint32_t kRuns = 10'000;
#endif

std::uint32_t Runs() {
  const char* const number = std::getenv("RUNNER_TEST_RUNS");
  if (number == nullptr) return kRuns;
  return static_cast<std::uint32_t>(std::strtoul(number, nullptr, 10));
}

std::int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  file >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Counts the runs with a wrong outcome, and keeps a description of the first.
class Judgement {
 public:
  void operator()(const Lease& lease, const Outcome& outcome) {
    const int code = static_cast<int>(lease.attempt % kCodes);
    const RunStatus status = code == 0 ? RunStatus::kSuccess : RunStatus::kFailure;
    const bool right = outcome.exit_code == code && !outcome.signal && outcome.started &&
                       outcome.contained && outcome.orphans_killed == 0 && outcome.status == status;
    if (right || wrong_++ > 0) return;
    std::ostringstream text;
    text << "run " << lease.attempt << ": " << ToString(outcome.status) << " " << outcome.reason
         << ", exit code " << outcome.exit_code.value_or(-1) << ", signal "
         << outcome.signal.value_or(0) << ", contained " << outcome.contained;
    first_ = text.str();
  }
  std::uint32_t wrong() const { return wrong_; }
  const std::string& first() const { return first_; }

 private:
  std::uint32_t wrong_ = 0;
  std::string first_;
};

class ManyRunsTest : public SupervisorFixture {};

// The agent exits with the number of its run; RUNNER_TEST_RUNS sets the number of runs.
TEST_F(ManyRunsTest, ThousandsOfRunsThatExitAtOnceSucceed) {
  const std::uint32_t runs = Runs();
  const std::uint32_t first = runs / 10;
  ASSERT_GT(first, 0U) << "RUNNER_TEST_RUNS must be at least 10";
  Supervise({RUNNER_INSTANT_AGENT});
  Judgement judgement;
  const auto judge = [&](const Lease& lease, const Outcome& outcome) { judgement(lease, outcome); };

  const std::size_t descriptors_before = OpenDescriptors();
  const MonoTime began = clock_.Now().mono;
  RunMany(first, kSlots, judge, first * kLimitPerRun);
  ASSERT_FALSE(HasFailure());
  const std::int64_t resident_before = ResidentBytes();
  RunMany(runs - first, kSlots, judge, (runs - first) * kLimitPerRun);
  ASSERT_FALSE(HasFailure());
  const std::int64_t resident_after = ResidentBytes();
  const double seconds = ToSeconds(clock_.Now().mono - began);
  const std::size_t descriptors_after = OpenDescriptors();

  std::printf("%u runs in %.1f s (%.0f a second, %zu at a time), %u wrong\n", runs, seconds,
              runs / seconds, kSlots, judgement.wrong());
  std::printf("descriptors %zu before, %zu after\n", descriptors_before, descriptors_after);
  std::printf("resident %lld KiB after %u runs, %lld KiB after %u\n",
              static_cast<long long>(resident_before / 1024), first,
              static_cast<long long>(resident_after / 1024), runs);

  EXPECT_EQ(judgement.wrong(), 0U) << judgement.first();
  EXPECT_EQ(finished_runs_, runs);
  EXPECT_FALSE(supervisor_->tainted());
  EXPECT_EQ(supervisor_->active(), 0U);
  EXPECT_EQ(descriptors_after, descriptors_before);
  if (!kFreedMemoryIsKept) {
    EXPECT_LE(resident_after - resident_before, kMayGrow);
  }
  ExpectNoChildren();
}

}  // namespace
}  // namespace runner::executor
