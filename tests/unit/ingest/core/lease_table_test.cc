#include "ingest/core/lease_table.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/times.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

dispatch::Hello Hello(std::string id, std::uint32_t slots, std::vector<Lease> running = {}) {
  dispatch::Hello hello;
  hello.executor_id = std::move(id);
  hello.slots = slots;
  hello.running = std::move(running);
  return hello;
}

class LeaseTableTest : public ::testing::Test {
 protected:
  void Offer(const Lease& lease, int second = 0) {
    ASSERT_NE(table_.LeastLoaded(), nullptr);
    table_.Offer(*table_.LeastLoaded(), lease, At(second));
  }
  std::size_t Free(StreamId stream) { return table_.OfStream(stream)->FreeSlots(); }

  LeaseTable table_{LeaseLimits{.lease_ttl = seconds(60), .accept_timeout = seconds(10)}};
};

TEST_F(LeaseTableTest, FreeSlotsAreBoundedBySlotsAndCredits) {
  table_.Attach(1, Hello("e", 2), At(0));
  EXPECT_EQ(Free(1), 0u);
  EXPECT_EQ(table_.LeastLoaded(), nullptr);
  table_.GrantCredits(1, 1);
  EXPECT_EQ(Free(1), 1u);
  table_.GrantCredits(1, 5);
  EXPECT_EQ(Free(1), 2u);
  Offer({"a", 1});
  EXPECT_EQ(Free(1), 1u);
  table_.Release("a");
  EXPECT_EQ(Free(1), 2u);
  table_.SetDraining(1);
  EXPECT_EQ(Free(1), 0u);
}

TEST_F(LeaseTableTest, CreditsAreATotalAndNeverShrink) {
  table_.Attach(1, Hello("e", 5), At(0));
  table_.GrantCredits(1, 2);
  Offer({"a", 1});
  table_.GrantCredits(1, 2);
  EXPECT_EQ(Free(1), 1u);
  table_.GrantCredits(1, 1);
  EXPECT_EQ(Free(1), 1u);
}

TEST_F(LeaseTableTest, AReleasedSlotNeedsANewCredit) {
  table_.Attach(1, Hello("e", 1), At(0));
  table_.GrantCredits(1, 1);
  Offer({"a", 1});
  table_.Release("a");
  EXPECT_EQ(Free(1), 0u);
  table_.GrantCredits(1, 2);
  EXPECT_EQ(Free(1), 1u);
}

TEST_F(LeaseTableTest, IgnoresUnknownStreams) {
  table_.GrantCredits(9, 5);
  table_.SetDraining(9);
  table_.Detach(9, At(0));
  table_.Release("nobody");
  EXPECT_EQ(table_.OfStream(9), nullptr);
  EXPECT_TRUE(table_.executors().empty());
  EXPECT_EQ(table_.Current(9, {"a", 1}), nullptr);
  EXPECT_FALSE(table_.leases().contains("a"));
}

TEST_F(LeaseTableTest, CurrentChecksAttemptAndHolder) {
  table_.Attach(1, Hello("e", 1), At(0));
  table_.Attach(2, Hello("f", 1), At(0));
  table_.GrantCredits(1, 1);
  Offer({"a", 3});
  EXPECT_NE(table_.Current(1, {"a", 3}), nullptr);
  EXPECT_EQ(table_.Current(1, {"a", 2}), nullptr);
  EXPECT_EQ(table_.Current(2, {"a", 3}), nullptr);
  EXPECT_EQ(table_.leases().at("a").executor_id, "e");
}

TEST_F(LeaseTableTest, HelloKeepsDropsOrLosesEachLease) {
  table_.Attach(1, Hello("e", 3), At(0));
  table_.GrantCredits(1, 3);
  Offer({"kept", 1});
  Offer({"lost", 1});
  Offer({"newer", 2});
  table_.Detach(1, At(5));
  const auto attached =
      table_.Attach(2, Hello("e", 3, {{"kept", 1}, {"newer", 1}, {"unknown", 4}}), At(0));
  EXPECT_EQ(attached.superseded, kNoStream);
  EXPECT_THAT(attached.kept, ElementsAre(Lease{"kept", 1}));
  EXPECT_THAT(attached.dropped, ElementsAre(Lease{"newer", 1}, Lease{"unknown", 4}));
  EXPECT_THAT(attached.lost, ElementsAre(Lease{"newer", 2}, Lease{"lost", 1}));
  EXPECT_EQ(table_.leases().at("kept").state, LeaseTable::LeaseState::kRunning);
}

TEST_F(LeaseTableTest, DropsALeaseOfAnotherExecutor) {
  table_.Attach(1, Hello("e", 1), At(0));
  table_.GrantCredits(1, 1);
  Offer({"a", 1});
  const auto attached = table_.Attach(2, Hello("f", 1, {{"a", 1}}), At(0));
  EXPECT_THAT(attached.dropped, ElementsAre(Lease{"a", 1}));
  EXPECT_EQ(table_.leases().at("a").executor_id, "e");
}

TEST_F(LeaseTableTest, ASecondStreamSupersedesTheFirst) {
  table_.Attach(1, Hello("e", 1), At(0));
  EXPECT_EQ(table_.Attach(2, Hello("e", 1), At(0)).superseded, 1u);
  EXPECT_EQ(table_.OfStream(1), nullptr);
  table_.Detach(1, At(0));
  EXPECT_TRUE(table_.executors().at("e").attached());
}

TEST_F(LeaseTableTest, MoreRunsThanSlotsLeaveNoFreeSlot) {
  table_.Attach(1, Hello("e", 2), At(0));
  table_.GrantCredits(1, 2);
  Offer({"a", 1});
  Offer({"b", 1});
  table_.Attach(2, Hello("e", 1, {{"a", 1}, {"b", 1}}), At(0));
  table_.GrantCredits(2, 5);
  EXPECT_EQ(Free(2), 0u);
}

TEST_F(LeaseTableTest, ALeaseIsLostAfterTheAcceptTimeout) {
  table_.Attach(1, Hello("e", 2), At(0));
  table_.GrantCredits(1, 2);
  Offer({"a", 1}, 0);
  Offer({"b", 1}, 4);
  table_.Accept({"b", 1});
  EXPECT_EQ(table_.NextDeadline(), At(10));
  EXPECT_THAT(table_.ExpiredBy(At(9)), IsEmpty());
  const auto lost = table_.ExpiredBy(At(10));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].lease, (Lease{"a", 1}));
  EXPECT_EQ(lost[0].stream, 1u);
  EXPECT_FALSE(lost[0].ttl_expired);
}

TEST_F(LeaseTableTest, ALeaseIsLostAfterItsTimeToLive) {
  table_.Attach(1, Hello("e", 1), At(0));
  table_.GrantCredits(1, 1);
  Offer({"a", 1}, 0);
  table_.Detach(1, At(5));
  EXPECT_EQ(table_.NextDeadline(), At(65));
  EXPECT_THAT(table_.ExpiredBy(At(64)), IsEmpty());
  ASSERT_EQ(table_.ExpiredBy(At(65)).size(), 1u);
  EXPECT_TRUE(table_.ExpiredBy(At(65))[0].ttl_expired);
  EXPECT_EQ(table_.ExpiredBy(At(65))[0].stream, kNoStream);
}

TEST_F(LeaseTableTest, ADetachedExecutorHasNoAcceptTimeout) {
  table_.Attach(1, Hello("e", 1), At(0));
  table_.GrantCredits(1, 1);
  Offer({"a", 1}, 0);
  table_.Detach(1, At(5));
  EXPECT_THAT(table_.ExpiredBy(At(20)), IsEmpty()) << "its next Hello lists what it has accepted";
}

TEST_F(LeaseTableTest, ARestoredLeaseWaitsForItsExecutor) {
  table_.Restore("e", {"a", 3}, true, At(0));
  EXPECT_EQ(table_.NextDeadline(), At(60));
  EXPECT_EQ(table_.ExpiredBy(At(60)).size(), 1u);
  const auto attached = table_.Attach(1, Hello("e", 1, {{"a", 3}}), At(0));
  EXPECT_THAT(attached.kept, ElementsAre(Lease{"a", 3}));
  EXPECT_EQ(table_.NextDeadline(), At(60)) << "its first keep-alive";
}

TEST_F(LeaseTableTest, AnExecutorIsSilentAfterTheTimeToLiveWithoutKeepAlive) {
  table_.Attach(1, Hello("e", 1), At(0));
  table_.Attach(2, Hello("f", 1), At(3));
  EXPECT_EQ(table_.NextDeadline(), At(60));
  EXPECT_THAT(table_.SilentBy(At(59)), IsEmpty());
  table_.KeepAlive(1, At(40));
  EXPECT_EQ(table_.NextDeadline(), At(63));
  EXPECT_THAT(table_.SilentBy(At(63)), ElementsAre(2u));
  EXPECT_THAT(table_.SilentBy(At(100)), ElementsAre(2u, 1u)) << "the longest silent first";
}

TEST_F(LeaseTableTest, IgnoresAKeepAliveOfAnEarlierStream) {
  table_.Attach(1, Hello("e", 1), At(0));
  table_.Attach(2, Hello("e", 1), At(10));
  table_.KeepAlive(1, At(50));
  EXPECT_THAT(table_.SilentBy(At(69)), IsEmpty());
  EXPECT_THAT(table_.SilentBy(At(70)), ElementsAre(2u));
  table_.Detach(2, At(70));
  table_.KeepAlive(2, At(71));
  EXPECT_THAT(table_.SilentBy(At(1000)), IsEmpty()) << "one that is detached is not silent";
  table_.ForgetIdle(At(71));
  EXPECT_EQ(table_.NextDeadline(), std::nullopt);
}

TEST_F(LeaseTableTest, OffersResumeAfterTheirDelay) {
  table_.Attach(1, Hello("e", 2), At(0));
  table_.GrantCredits(1, 2);
  table_.SlowOffers(1, At(0), At(0));
  EXPECT_EQ(Free(1), 0u);
  EXPECT_EQ(table_.NextDeadline(), At(1));
  table_.ResumeOffers(At(0));
  EXPECT_EQ(Free(1), 0u);
  table_.ResumeOffers(At(1));
  EXPECT_EQ(Free(1), 2u);
  table_.SlowOffers(1, At(1), At(1));
  EXPECT_EQ(table_.NextDeadline(), At(3)) << "twice as long";
  table_.SlowOffers(1, At(1), At(2));
  EXPECT_EQ(table_.NextDeadline(), At(3)) << "a rejection of an offer from before the delay";
  table_.Detach(1, At(2));
  table_.ForgetIdle(At(2));
  EXPECT_EQ(table_.executors().size(), 1u) << "kept for its delay";
  table_.ForgetIdle(At(62));
  EXPECT_TRUE(table_.executors().empty());
  EXPECT_EQ(table_.NextDeadline(), std::nullopt);
}

TEST_F(LeaseTableTest, RemovesIdleDetachedExecutors) {
  table_.Attach(1, Hello("idle", 1), At(0));
  table_.Attach(2, Hello("holds", 1), At(0));
  table_.Attach(3, Hello("here", 1), At(0));
  table_.GrantCredits(2, 1);
  Offer({"a", 1});
  table_.Detach(1, At(0));
  table_.Detach(2, At(0));
  table_.ForgetIdle(At(0));
  EXPECT_EQ(table_.executors().size(), 2u);
  EXPECT_FALSE(table_.executors().contains("idle"));
}

}  // namespace
}  // namespace runner::ingest
