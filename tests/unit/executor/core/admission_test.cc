#include "executor/core/admission.h"

#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::executor {
namespace {

using ::testing::ElementsAre;
using Verdict = Admission::Verdict;

const Lease kA{"a", 1}, kB{"b", 1}, kC{"c", 1};

Admission Attached(std::uint32_t slots) {
  Admission admission(slots);
  admission.OnWelcome();
  return admission;
}

TEST(Admission, GrantsItsSlotsOnceWelcomed) {
  Admission admission(3);
  EXPECT_EQ(admission.credits(), 0u);
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kNoSlot);
  admission.OnWelcome();
  EXPECT_EQ(admission.credits(), 3u);
}

TEST(Admission, TakesUpToItsSlots) {
  Admission admission = Attached(2);
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kTake);
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kTake);
  EXPECT_EQ(admission.OnOffer(kC), Verdict::kNoSlot);
  EXPECT_TRUE(admission.IsRunning(kA));
  EXPECT_FALSE(admission.IsRunning(kC));
  EXPECT_THAT(admission.Running(), ElementsAre(kA, kB));
}

TEST(Admission, EndOfARunGrantsOneMoreCredit) {
  Admission admission = Attached(1);
  admission.OnOffer(kA);
  EXPECT_EQ(admission.credits(), 1u) << "a taken offer does not change the total";
  admission.OnFinished(kA, {});
  EXPECT_EQ(admission.credits(), 2u);
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kTake);
}

TEST(Admission, LateOfferDoesNotRerunAnAcknowledgedLease) {
  Admission admission = Attached(1);
  admission.OnOffer(kA);
  admission.OnFinished(kA, {});
  admission.OnResultAck(kA);
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kEnded);
  EXPECT_TRUE(admission.Running().empty());
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kTake) << "it has cost no credit";
}

TEST(Admission, SecondWelcomeOfOneStreamChangesNothing) {
  Admission admission = Attached(2);
  admission.OnOffer(kA);
  admission.OnWelcome();
  EXPECT_EQ(admission.credits(), 2u);
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kTake);
  EXPECT_EQ(admission.OnOffer(kC), Verdict::kNoSlot);
}

TEST(Admission, EndIsCountedOnce) {
  Admission admission = Attached(1);
  admission.OnOffer(kA);
  admission.OnFinished(kA, {});
  admission.OnFinished(kA, {});
  admission.OnFinished(kB, {});
  EXPECT_EQ(admission.credits(), 2u);
  EXPECT_EQ(admission.results_waiting().size(), 1u);
}

TEST(Admission, RepeatedOfferOfALeaseIsHeldAndCostsNoCredit) {
  Admission admission = Attached(2);
  admission.OnOffer(kA);
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kHeld);
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kHeld);
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kTake);
  admission.OnFinished(kA, {});
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kHeld) << "its result waits";
}

TEST(Admission, NextAttemptOfAnIncidentIsAnotherLease) {
  Admission admission = Attached(2);
  admission.OnOffer({"a", 1});
  EXPECT_EQ(admission.OnOffer({"a", 2}), Verdict::kTake);
}

TEST(Admission, ResultWaitsUntilAcknowledged) {
  Admission admission = Attached(1);
  admission.OnOffer(kA);
  Outcome outcome;
  outcome.status = RunStatus::kTimeout;
  admission.OnFinished(kA, outcome);
  ASSERT_TRUE(admission.results_waiting().contains(kA));
  EXPECT_EQ(admission.results_waiting().at(kA).status, RunStatus::kTimeout);
  admission.OnResultAck(kB);
  admission.OnResultAck(kA);
  admission.OnResultAck(kA);
  EXPECT_TRUE(admission.results_waiting().empty());
}

TEST(Admission, WaitingResultOccupiesNoSlot) {
  Admission admission = Attached(1);
  admission.OnOffer(kA);
  admission.OnFinished(kA, {});
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kTake);
}

TEST(Admission, NoOfferIsTakenWhileTheStreamDrains) {
  Admission admission = Attached(2);
  admission.OnOffer(kA);
  admission.OnStreamDrain();
  EXPECT_TRUE(admission.draining());
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kDraining);
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kHeld);
}

TEST(Admission, StreamDrainEndsWithTheStream) {
  Admission admission = Attached(1);
  admission.OnStreamDrain();
  admission.OnStreamEnded();
  EXPECT_FALSE(admission.draining());
  admission.OnWelcome();
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kTake);
}

TEST(Admission, OwnDrainOutlivesTheStream) {
  Admission admission = Attached(1);
  admission.BeginDrain();
  admission.OnStreamEnded();
  admission.OnWelcome();
  EXPECT_TRUE(admission.draining());
  EXPECT_EQ(admission.OnOffer(kA), Verdict::kDraining);
}

TEST(Admission, CreditsCountFromZeroAfterReattach) {
  Admission admission = Attached(3);
  admission.OnOffer(kA);
  admission.OnOffer(kB);
  admission.OnFinished(kB, {});
  EXPECT_EQ(admission.credits(), 4u);
  admission.OnStreamEnded();
  admission.OnWelcome();
  EXPECT_EQ(admission.credits(), 2u) << "one slot of three is taken";
  EXPECT_TRUE(admission.IsRunning(kA));
  EXPECT_TRUE(admission.results_waiting().contains(kB));
}

TEST(Admission, EndWhileDetachedIsACreditOfTheNextStream) {
  Admission admission = Attached(1);
  admission.OnOffer(kA);
  admission.OnStreamEnded();
  admission.OnFinished(kA, {});
  admission.OnWelcome();
  EXPECT_EQ(admission.credits(), 1u);
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kTake);
}

TEST(Admission, FullExecutorTakesNoOfferAfterReattachUntilARunEnds) {
  Admission admission = Attached(1);
  admission.OnOffer(kA);
  admission.OnStreamEnded();
  admission.OnWelcome();
  EXPECT_EQ(admission.credits(), 0u);
  EXPECT_EQ(admission.OnOffer(kB), Verdict::kNoSlot);
  admission.OnFinished(kA, {});
  EXPECT_EQ(admission.credits(), 1u);
}

TEST(Admission, CreditsAndRunsNeverExceedTheSlots) {
  std::random_device device;
  const std::uint64_t seed = device();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int history = 0; history < 500; ++history) {
    const auto slots = static_cast<std::uint32_t>(1 + random() % 4);
    Admission admission(slots);
    bool attached = false;
    std::uint64_t offers = 0;  // as ingest counts them: never above the granted credits
    std::uint32_t last = 0;
    for (int step = 0; step < 50; ++step) {
      const auto running = admission.Running();
      switch (random() % 5) {
        case 0:
          if (!attached) admission.OnWelcome();
          if (!std::exchange(attached, true)) offers = 0;
          break;
        case 1:
          if (attached && offers < admission.credits()) {
            ++offers;
            ASSERT_EQ(admission.OnOffer({"i", ++last}), Verdict::kTake);
          }
          break;
        case 2:
          if (!running.empty()) admission.OnFinished(running[random() % running.size()], {});
          break;
        case 3:
          if (!running.empty()) admission.OnNotStarted(running[random() % running.size()]);
          break;
        default:
          if (random() % 5 == 0) {
            admission.OnStreamEnded();
            attached = false;
          }
      }
      ASSERT_LE(admission.Running().size(), slots);
      if (attached) {
        ASSERT_EQ(admission.credits() - offers + admission.Running().size(), slots);
      }
    }
  }
}

TEST(Admission, ShortageReturnsTheCreditAndLeavesNoResult) {
  Admission admission(1);
  admission.OnWelcome();
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    ASSERT_EQ(admission.OnOffer({"i", attempt}), Verdict::kTake);
    admission.OnNotStarted({"i", attempt});
    EXPECT_FALSE(admission.IsRunning({"i", attempt}));
    EXPECT_EQ(admission.credits(), attempt + 1);
    EXPECT_EQ(admission.OnOffer({"i", attempt}), Verdict::kEnded) << "repeated offer";
  }
  EXPECT_TRUE(admission.results_waiting().empty());
  admission.OnNotStarted({"i", 99});
  EXPECT_EQ(admission.credits(), 11u) << "a lease that does not run returns no credit";
}

TEST(Admission, EveryRejectionHasAReason) {
  using dispatch::RejectReason;
  EXPECT_EQ(RejectReasonOf(Verdict::kEnded), RejectReason::kEnded);
  EXPECT_EQ(RejectReasonOf(Verdict::kDraining), RejectReason::kDraining);
  EXPECT_EQ(RejectReasonOf(Verdict::kNoSlot), RejectReason::kNoSlot);
}

}  // namespace
}  // namespace runner::executor
