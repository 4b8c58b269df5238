#include "common/net/connection_table.h"

#include <map>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::Eq;
using testing::IsEmpty;
using testing::Optional;

class ConnectionTableTest : public testing::Test {
 protected:
  ConnectionTable::Id Add(const std::string& address, std::uint64_t received = 0) {
    const ConnectionTable::Id id = table_.Add(now_, address);
    received_[id] = received;
    return id;
  }
  std::uint64_t Received(ConnectionTable::Id id) { return received_.at(id); }
  bool Serves(ConnectionTable::Id id) { return serving_.contains(id); }
  std::optional<ConnectionTable::Id> Excess(ConnectionTable& table) {
    return table.Excess(
        now_, [this](ConnectionTable::Id id) { return Received(id); },
        [this](ConnectionTable::Id id) { return Serves(id); });
  }
  std::optional<ConnectionTable::Id> Excess() { return Excess(table_); }
  std::vector<ConnectionTable::Id> Busiest(std::uint64_t sum = 0) {
    return table_.Busiest([this](ConnectionTable::Id id) { return Received(id); },
                          [this](ConnectionTable::Id id) { return Serves(id); }, sum);
  }

  MonoTime now_;
  std::map<ConnectionTable::Id, std::uint64_t> received_;
  std::set<ConnectionTable::Id> serving_;
  ConnectionTable table_{{.connections = 3, .per_address = 2, .settled_after = seconds(10)}};
};

TEST_F(ConnectionTableTest, NothingIsCutWithinTheLimits) {
  EXPECT_EQ(Excess(), std::nullopt);
  Add("a");
  Add("a");
  Add("b");
  EXPECT_EQ(Excess(), std::nullopt);
  EXPECT_EQ(table_.size(), 3u);
}

TEST_F(ConnectionTableTest, TheOldestSilentConnectionMakesRoom) {
  Add("a", 100);
  const auto silent = Add("b");
  Add("c");
  now_ += seconds(1);
  Add("d");
  EXPECT_THAT(Excess(), Optional(silent));
}

// The bytes of a client may still be in transit when the flood behind them is older.
TEST_F(ConnectionTableTest, AYoungSilentConnectionIsNotCutBeforeAnOlderOne) {
  const auto flood = Add("a", 1'000);
  Add("b", 1'000);
  Add("c");  // a probe
  now_ += ConnectionTable::kSilentTime;
  Add("d", 1'000);
  EXPECT_THAT(Excess(), Optional(flood));
}

TEST_F(ConnectionTableTest, TheSizeOfAPartialRequestDoesNotMatter) {
  const auto flood = Add("a", 1'000'000);
  Add("b", 50);
  Add("c", 1'000'000);
  now_ += seconds(1);
  Add("d");
  EXPECT_THAT(Excess(), Optional(flood));
}

TEST_F(ConnectionTableTest, TheLargerGroupIsWithoutARequestAndMakesRoom) {
  const auto scrape = Add("a", 50);
  const auto flood = Add("b", 50);
  Add("c", 50);
  serving_ = {scrape};
  Add("d");
  EXPECT_THAT(Excess(), Optional(flood));
}

TEST_F(ConnectionTableTest, TheLargerGroupDoesNotReadItsResponsesAndMakesRoom) {
  Add("a", 50);  // a probe
  const auto flood = Add("b", 50);
  serving_ = {flood, Add("c", 50)};
  Add("d");
  EXPECT_THAT(Excess(), Optional(flood));
}

TEST_F(ConnectionTableTest, ConnectionsWithoutASessionMakeRoomAtAnyAge) {
  ConnectionTable table({.connections = 3, .per_address = 3, .keep_serving = true});
  std::vector<ConnectionTable::Id> ids;
  for (const char* address : {"a", "b", "c", "d"}) {
    ids.push_back(table.Add(now_, address));
    received_[ids.back()] = 50;
    now_ += seconds(1'000);
  }
  serving_ = {ids[0], ids[2]};
  EXPECT_THAT(Excess(table), Optional(ids[1]));
  serving_ = {ids[0], ids[1], ids[2]};
  EXPECT_THAT(Excess(table), Optional(ids[3])) << "the new one";
}

TEST_F(ConnectionTableTest, AnAddressOverItsLimitMakesRoomItself) {
  Add("b");
  const auto first = Add("a", 50);
  Add("a", 60);
  EXPECT_EQ(Excess(), std::nullopt);
  Add("a");
  EXPECT_THAT(Excess(), Optional(first)) << "also when another address has a silent one";
  table_.Remove(1);
  EXPECT_THAT(Excess(), Optional(first)) << "also when all together are not too many";
}

TEST_F(ConnectionTableTest, ConnectionsWithoutAnAddressMakeRoomUntilTheyAreSettled) {
  const auto first = Add("");
  Add("");
  Add("");
  EXPECT_EQ(Excess(), std::nullopt) << "not connections of one address";
  const auto fourth = Add("");
  EXPECT_THAT(Excess(), Optional(first));
  table_.Remove(first);
  now_ += seconds(11);
  const auto newest = Add("");
  EXPECT_THAT(Excess(), Optional(newest));
  EXPECT_GT(newest, fourth);
}

TEST_F(ConnectionTableTest, RemovedConnectionsNoLongerCount) {
  const auto first = Add("a");
  Add("a");
  table_.Remove(first);
  table_.Remove(first);
  Add("a");
  EXPECT_EQ(Excess(), std::nullopt);
  EXPECT_EQ(table_.oldest()->id, first + 1);
}

TEST_F(ConnectionTableTest, TheBusiestConnectionsSendMostOfTheTraffic) {
  const auto quiet = Add("a", 1'000'000);
  const auto loud = Add("b", 0);
  const auto louder = Add("c", 0);
  EXPECT_THAT(Busiest(), ElementsAre(quiet)) << "counts from the start of the connection";
  received_[quiet] += 5'000;
  received_[loud] = 60'000;
  received_[louder] = 150'000;
  EXPECT_THAT(Busiest(), ElementsAre(loud, louder));
  EXPECT_THAT(Busiest(), ElementsAre(quiet)) << "already returned";
  EXPECT_THAT(Busiest(), IsEmpty());
}

TEST_F(ConnectionTableTest, ConnectionsWithASessionAreTheBusiestWhenThereIsNoOther) {
  const auto executor = Add("a", 5'000'000);
  const auto flood = Add("b", ConnectionTable::kBusyBytes);
  serving_ = {executor};
  EXPECT_THAT(Busiest(), ElementsAre(flood));
  EXPECT_THAT(Busiest(), ElementsAre(executor));
}

TEST_F(ConnectionTableTest, ConnectionsThatHaveSentTooLittleDoNotCauseAFlood) {
  Add("a", 2'000);
  Add("b", 3'000);
  EXPECT_THAT(Busiest(5'001), IsEmpty());
  EXPECT_EQ(Busiest(5'000).size(), 2u);
}

TEST_F(ConnectionTableTest, BytesOfASessionBeforeCalmDoNotCount) {
  const auto executor = Add("a", 5'000'000);
  const auto other = Add("b", ConnectionTable::kBusyBytes);
  serving_ = {executor};
  table_.Calm([this](ConnectionTable::Id id) { return Received(id); },
              [this](ConnectionTable::Id id) { return Serves(id); });
  received_[executor] += ConnectionTable::kServingBytes - 1;
  EXPECT_THAT(Busiest(), ElementsAre(other));
  EXPECT_THAT(Busiest(), IsEmpty());
  received_[executor] += 1;
  EXPECT_THAT(Busiest(), ElementsAre(executor));
}

TEST_F(ConnectionTableTest, SlowTrafficAddsUpUntilItCounts) {
  const auto slow = Add("a", ConnectionTable::kBusyBytes - 1);
  EXPECT_THAT(Busiest(), IsEmpty());
  received_[slow] += 1;
  EXPECT_THAT(Busiest(), ElementsAre(slow));
}

}  // namespace
}  // namespace runner
