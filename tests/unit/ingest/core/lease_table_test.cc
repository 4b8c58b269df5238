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
    ASSERT_NE(book_.LeastLoaded(), nullptr);
    book_.Offer(*book_.LeastLoaded(), lease, At(second));
  }
  std::size_t Free(StreamId stream) { return book_.OfStream(stream)->FreeSlots(); }

  LeaseTable book_{LeaseLimits{.lease_ttl = seconds(60), .accept_timeout = seconds(10)}};
};

TEST_F(LeaseTableTest, FreeSlotsNeedSlotsAndCredits) {
  book_.Attach(1, Hello("e", 2), At(0));
  EXPECT_EQ(Free(1), 0u);
  EXPECT_EQ(book_.LeastLoaded(), nullptr);
  book_.GrantCredits(1, 1);
  EXPECT_EQ(Free(1), 1u);
  book_.GrantCredits(1, 5);
  EXPECT_EQ(Free(1), 2u);
  Offer({"a", 1});
  EXPECT_EQ(Free(1), 1u);
  book_.Release("a");
  EXPECT_EQ(Free(1), 2u);
  book_.SetDraining(1);
  EXPECT_EQ(Free(1), 0u);
}

TEST_F(LeaseTableTest, CreditsAreATotalAndNeverShrink) {
  book_.Attach(1, Hello("e", 5), At(0));
  book_.GrantCredits(1, 2);
  Offer({"a", 1});
  book_.GrantCredits(1, 2);
  EXPECT_EQ(Free(1), 1u);
  book_.GrantCredits(1, 1);
  EXPECT_EQ(Free(1), 1u);
}

TEST_F(LeaseTableTest, ReleasedSlotNeedsANewCredit) {
  book_.Attach(1, Hello("e", 1), At(0));
  book_.GrantCredits(1, 1);
  Offer({"a", 1});
  book_.Release("a");
  EXPECT_EQ(Free(1), 0u);
  book_.GrantCredits(1, 2);
  EXPECT_EQ(Free(1), 1u);
}

TEST_F(LeaseTableTest, UnknownStreamsChangeNothing) {
  book_.GrantCredits(9, 5);
  book_.SetDraining(9);
  book_.Detach(9, At(0));
  book_.Release("nobody");
  EXPECT_EQ(book_.OfStream(9), nullptr);
  EXPECT_TRUE(book_.executors().empty());
  EXPECT_EQ(book_.Current(9, {"a", 1}), nullptr);
  EXPECT_FALSE(book_.leases().contains("a"));
}

TEST_F(LeaseTableTest, CurrentNeedsAttemptAndHolder) {
  book_.Attach(1, Hello("e", 1), At(0));
  book_.Attach(2, Hello("f", 1), At(0));
  book_.GrantCredits(1, 1);
  Offer({"a", 3});
  EXPECT_NE(book_.Current(1, {"a", 3}), nullptr);
  EXPECT_EQ(book_.Current(1, {"a", 2}), nullptr);
  EXPECT_EQ(book_.Current(2, {"a", 3}), nullptr);
  EXPECT_EQ(book_.leases().at("a").executor_id, "e");
}

TEST_F(LeaseTableTest, HelloSettlesEveryLease) {
  book_.Attach(1, Hello("e", 3), At(0));
  book_.GrantCredits(1, 3);
  Offer({"kept", 1});
  Offer({"lost", 1});
  Offer({"newer", 2});
  book_.Detach(1, At(5));
  const auto attached =
      book_.Attach(2, Hello("e", 3, {{"kept", 1}, {"newer", 1}, {"unknown", 4}}), At(0));
  EXPECT_EQ(attached.superseded, kNoStream);
  EXPECT_THAT(attached.kept, ElementsAre(Lease{"kept", 1}));
  EXPECT_THAT(attached.dropped, ElementsAre(Lease{"newer", 1}, Lease{"unknown", 4}));
  EXPECT_THAT(attached.lost, ElementsAre(Lease{"newer", 2}, Lease{"lost", 1}));
  EXPECT_EQ(book_.leases().at("kept").state, LeaseTable::LeaseState::kRunning);
}

TEST_F(LeaseTableTest, LeaseOfAnotherExecutorIsDropped) {
  book_.Attach(1, Hello("e", 1), At(0));
  book_.GrantCredits(1, 1);
  Offer({"a", 1});
  const auto attached = book_.Attach(2, Hello("f", 1, {{"a", 1}}), At(0));
  EXPECT_THAT(attached.dropped, ElementsAre(Lease{"a", 1}));
  EXPECT_EQ(book_.leases().at("a").executor_id, "e");
}

TEST_F(LeaseTableTest, SecondStreamSupersedesAndTheFirstMeansNothingMore) {
  book_.Attach(1, Hello("e", 1), At(0));
  EXPECT_EQ(book_.Attach(2, Hello("e", 1), At(0)).superseded, 1u);
  EXPECT_EQ(book_.OfStream(1), nullptr);
  book_.Detach(1, At(0));
  EXPECT_TRUE(book_.executors().at("e").attached());
}

TEST_F(LeaseTableTest, FewerSlotsThanRunsGiveNoFreeSlot) {
  book_.Attach(1, Hello("e", 2), At(0));
  book_.GrantCredits(1, 2);
  Offer({"a", 1});
  Offer({"b", 1});
  book_.Attach(2, Hello("e", 1, {{"a", 1}, {"b", 1}}), At(0));
  book_.GrantCredits(2, 5);
  EXPECT_EQ(Free(2), 0u);
}

TEST_F(LeaseTableTest, LostByAcceptTimeout) {
  book_.Attach(1, Hello("e", 2), At(0));
  book_.GrantCredits(1, 2);
  Offer({"a", 1}, 0);
  Offer({"b", 1}, 4);
  book_.Accept({"b", 1});
  EXPECT_EQ(book_.NextDeadline(), At(10));
  EXPECT_THAT(book_.ExpiredBy(At(9)), IsEmpty());
  const auto lost = book_.ExpiredBy(At(10));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].lease, (Lease{"a", 1}));
  EXPECT_EQ(lost[0].stream, 1u);
  EXPECT_FALSE(lost[0].ttl_expired);
}

TEST_F(LeaseTableTest, LostByTimeToLive) {
  book_.Attach(1, Hello("e", 1), At(0));
  book_.GrantCredits(1, 1);
  Offer({"a", 1}, 0);
  book_.Detach(1, At(5));
  EXPECT_EQ(book_.NextDeadline(), At(65));
  EXPECT_THAT(book_.ExpiredBy(At(64)), IsEmpty());
  ASSERT_EQ(book_.ExpiredBy(At(65)).size(), 1u);
  EXPECT_TRUE(book_.ExpiredBy(At(65))[0].ttl_expired);
  EXPECT_EQ(book_.ExpiredBy(At(65))[0].stream, kNoStream);
}

TEST_F(LeaseTableTest, WhoIsAwayIsNotAskedToAccept) {
  book_.Attach(1, Hello("e", 1), At(0));
  book_.GrantCredits(1, 1);
  Offer({"a", 1}, 0);
  book_.Detach(1, At(5));
  EXPECT_THAT(book_.ExpiredBy(At(20)), IsEmpty()) << "only its Hello says what it has accepted";
}

TEST_F(LeaseTableTest, ARestoredLeaseWaitsForItsExecutor) {
  book_.Restore("e", {"a", 3}, true, At(0));
  EXPECT_EQ(book_.NextDeadline(), At(60));
  EXPECT_EQ(book_.ExpiredBy(At(60)).size(), 1u);
  const auto attached = book_.Attach(1, Hello("e", 1, {{"a", 3}}), At(0));
  EXPECT_THAT(attached.kept, ElementsAre(Lease{"a", 3}));
  EXPECT_EQ(book_.NextDeadline(), At(60)) << "its first keep-alive";
}

TEST_F(LeaseTableTest, SilentWithoutKeepAliveForTheTimeToLive) {
  book_.Attach(1, Hello("e", 1), At(0));
  book_.Attach(2, Hello("f", 1), At(3));
  EXPECT_EQ(book_.NextDeadline(), At(60));
  EXPECT_THAT(book_.SilentBy(At(59)), IsEmpty());
  book_.KeepAlive(1, At(40));
  EXPECT_EQ(book_.NextDeadline(), At(63));
  EXPECT_THAT(book_.SilentBy(At(63)), ElementsAre(2u));
  EXPECT_THAT(book_.SilentBy(At(100)), ElementsAre(2u, 1u)) << "the longest silent first";
}

TEST_F(LeaseTableTest, AKeepAliveOfAnEarlierStreamMeansNothing) {
  book_.Attach(1, Hello("e", 1), At(0));
  book_.Attach(2, Hello("e", 1), At(10));
  book_.KeepAlive(1, At(50));
  EXPECT_THAT(book_.SilentBy(At(69)), IsEmpty());
  EXPECT_THAT(book_.SilentBy(At(70)), ElementsAre(2u));
  book_.Detach(2, At(70));
  book_.KeepAlive(2, At(71));
  EXPECT_THAT(book_.SilentBy(At(1000)), IsEmpty()) << "one that is detached is not silent";
  book_.ForgetIdle(At(71));
  EXPECT_EQ(book_.NextDeadline(), std::nullopt);
}

TEST_F(LeaseTableTest, OffersResumeWhenTheirDelayIsOver) {
  book_.Attach(1, Hello("e", 2), At(0));
  book_.GrantCredits(1, 2);
  book_.SlowOffers(1, At(0), At(0));
  EXPECT_EQ(Free(1), 0u);
  EXPECT_EQ(book_.NextDeadline(), At(1));
  book_.ResumeOffers(At(0));
  EXPECT_EQ(Free(1), 0u);
  book_.ResumeOffers(At(1));
  EXPECT_EQ(Free(1), 2u);
  book_.SlowOffers(1, At(1), At(1));
  EXPECT_EQ(book_.NextDeadline(), At(3)) << "twice as long";
  book_.SlowOffers(1, At(1), At(2));
  EXPECT_EQ(book_.NextDeadline(), At(3)) << "a rejection of an offer from before the delay";
  book_.Detach(1, At(2));
  book_.ForgetIdle(At(2));
  EXPECT_EQ(book_.executors().size(), 1u) << "remembered for its delay";
  book_.ForgetIdle(At(62));
  EXPECT_TRUE(book_.executors().empty());
  EXPECT_EQ(book_.NextDeadline(), std::nullopt);
}

TEST_F(LeaseTableTest, IdleDetachedExecutorsAreForgotten) {
  book_.Attach(1, Hello("idle", 1), At(0));
  book_.Attach(2, Hello("holds", 1), At(0));
  book_.Attach(3, Hello("here", 1), At(0));
  book_.GrantCredits(2, 1);
  Offer({"a", 1});
  book_.Detach(1, At(0));
  book_.Detach(2, At(0));
  book_.ForgetIdle(At(0));
  EXPECT_EQ(book_.executors().size(), 2u);
  EXPECT_FALSE(book_.executors().contains("idle"));
}

}  // namespace
}  // namespace runner::ingest
