// So many may connect at a time, the others wait in order.

#include "ingest/mcp/connect_gate.h"

#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ConnectGateTest : public ::testing::Test {
 protected:
  struct Guest final : ConnectGate::Guest {
    Guest(int own_number, std::vector<int>& all_turns) : number(own_number), turns(all_turns) {}
    void OnTurn() override { turns.push_back(number); }
    const int number;
    std::vector<int>& turns;
  };

  ConnectGateTest() {
    for (int i = 0; i < 6; ++i) guests_.push_back(std::make_unique<Guest>(i, turns_));
  }
  bool Enter(int guest) { return gate_.Enter(*guests_[guest]); }
  void Leave(int guest) { gate_.Leave(*guests_[guest]); }

  ConnectGate gate_{2};
  std::vector<int> turns_;
  std::vector<std::unique_ptr<Guest>> guests_;
};

TEST_F(ConnectGateTest, OnlySoManyAreInside) {
  EXPECT_TRUE(Enter(0));
  EXPECT_TRUE(Enter(1));
  EXPECT_FALSE(Enter(2));
  EXPECT_EQ(gate_.inside(), 2u);
  EXPECT_EQ(gate_.waiting(), 1u);
  EXPECT_THAT(turns_, IsEmpty());
}

TEST_F(ConnectGateTest, WhoWaitsComesInTheOrderOfArrival) {
  for (int i = 0; i < 5; ++i) Enter(i);
  Leave(1);
  Leave(0);
  EXPECT_THAT(turns_, ElementsAre(2, 3));
  Leave(2);
  EXPECT_THAT(turns_, ElementsAre(2, 3, 4));
  EXPECT_EQ(gate_.inside(), 2u);
}

TEST_F(ConnectGateTest, WhoGivesUpWaitingIsPassedOver) {
  for (int i = 0; i < 4; ++i) Enter(i);
  Leave(2);
  EXPECT_THAT(turns_, IsEmpty());
  Leave(0);
  EXPECT_THAT(turns_, ElementsAre(3));
}

TEST_F(ConnectGateTest, EnteringTwiceTakesOnePlace) {
  EXPECT_TRUE(Enter(0));
  EXPECT_TRUE(Enter(0));
  EXPECT_TRUE(Enter(1));
  EXPECT_FALSE(Enter(2));
  EXPECT_FALSE(Enter(2));
  EXPECT_EQ(gate_.waiting(), 1u);
  Leave(0);
  Leave(1);
  EXPECT_THAT(turns_, ElementsAre(2));
}

TEST_F(ConnectGateTest, LeavingWithoutHavingComeFreesNoPlace) {
  for (int i = 0; i < 3; ++i) Enter(i);
  Leave(5);
  EXPECT_THAT(turns_, IsEmpty());
  Leave(0);
  Leave(0);
  EXPECT_THAT(turns_, ElementsAre(2));
}

TEST_F(ConnectGateTest, AfterAllHaveLeftThereIsRoomAgain) {
  for (int i = 0; i < 6; ++i) Enter(i);
  for (int i = 0; i < 6; ++i) Leave(i);
  EXPECT_EQ(gate_.inside(), 0u);
  EXPECT_EQ(gate_.waiting(), 0u);
  EXPECT_TRUE(Enter(3));
}

TEST(ConnectGate, OneIsAlwaysLetIn) {
  struct Guest final : ConnectGate::Guest {
    void OnTurn() override {}
  } guest;
  EXPECT_TRUE(ConnectGate(0).Enter(guest));
}

}  // namespace
}  // namespace runner::ingest
