#include "common/connection_table.h"

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
  std::optional<ConnectionTable::Id> Excess() {
    return table_.Excess(now_, [this](ConnectionTable::Id id) { return received_.at(id); });
  }
  std::vector<ConnectionTable::Id> Busiest() {
    return table_.Busiest([this](ConnectionTable::Id id) { return received_.at(id); });
  }

  MonoTime now_;
  std::map<ConnectionTable::Id, std::uint64_t> received_;
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
  Add("d");
  EXPECT_THAT(Excess(), Optional(silent));
}

TEST_F(ConnectionTableTest, TheConnectionThatSentLeastMakesRoomWhenNoneIsSilent) {
  Add("a", 100);
  Add("b", 80);
  const auto drip = Add("c", 3);
  Add("d");
  EXPECT_THAT(Excess(), Optional(drip));
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

TEST_F(ConnectionTableTest, SettledConnectionsStayAndTheNewOneGoes) {
  Add("a");
  Add("b");
  Add("c");
  now_ += seconds(11);
  const auto newest = Add("d");
  EXPECT_THAT(Excess(), Optional(newest));
}

TEST_F(ConnectionTableTest, ConnectionsWithoutAnAddressMakeRoomUntilTheyAreSettled) {
  const auto first = Add("");
  Add("");
  Add("");
  EXPECT_EQ(Excess(), std::nullopt) << "they are not those of one address";
  const auto fourth = Add("");
  EXPECT_THAT(Excess(), Optional(first));
  table_.Remove(first);
  now_ += seconds(11);
  const auto newest = Add("");
  EXPECT_THAT(Excess(), Optional(newest));
  EXPECT_GT(newest, fourth);
}

TEST_F(ConnectionTableTest, RemovedConnectionsCountNoMore) {
  const auto first = Add("a");
  Add("a");
  table_.Remove(first);
  table_.Remove(first);
  Add("a");
  EXPECT_EQ(Excess(), std::nullopt);
  EXPECT_EQ(table_.oldest()->id, first + 1);
}

TEST_F(ConnectionTableTest, TheBusiestAreThoseBehindMostOfTheTraffic) {
  const auto quiet = Add("a", 1'000'000);
  const auto loud = Add("b", 0);
  const auto louder = Add("c", 0);
  EXPECT_THAT(Busiest(), ElementsAre(quiet)) << "counts from the start of the connection";
  received_[quiet] += 5'000;
  received_[loud] = 60'000;
  received_[louder] = 150'000;
  EXPECT_THAT(Busiest(), ElementsAre(loud, louder));
  EXPECT_THAT(Busiest(), IsEmpty()) << "nothing has been received since";
}

TEST_F(ConnectionTableTest, SlowTrafficAddsUpUntilItCounts) {
  const auto slow = Add("a", ConnectionTable::kBusyBytes - 1);
  EXPECT_THAT(Busiest(), IsEmpty());
  received_[slow] += 1;
  EXPECT_THAT(Busiest(), ElementsAre(slow));
}

}  // namespace
}  // namespace runner
