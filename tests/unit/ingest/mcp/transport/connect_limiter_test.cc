// So many may connect at a time, the others wait in order, and nobody waits for those whose server
// does not answer.

#include "ingest/mcp/transport/connect_limiter.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ConnectLimiterTest : public ::testing::Test {
 protected:
  struct Waiter final : ConnectLimiter::Waiter {
    Waiter(int own_number, std::vector<int>& all_turns) : number(own_number), turns(all_turns) {}
    void OnTurn() override { turns.push_back(number); }
    const int number;
    std::vector<int>& turns;
  };

  ConnectLimiterTest() {
    for (int i = 0; i < 6; ++i) waiters_.push_back(std::make_unique<Waiter>(i, turns_));
  }
  bool Enter(int waiter, ConnectLimiter::Standing standing = ConnectLimiter::Standing::kGood) {
    return limiter_.Enter(*waiters_[waiter], standing);
  }
  void Yield(int waiter, ConnectLimiter::WaitsFor what = ConnectLimiter::WaitsFor::kServer) {
    limiter_.Yield(*waiters_[waiter], what);
  }
  void Return(int waiter) { limiter_.Return(*waiters_[waiter]); }
  void Leave(int waiter) { limiter_.Leave(*waiters_[waiter]); }

  ConnectLimiter limiter_{2, 1};
  std::vector<int> turns_;
  std::vector<std::unique_ptr<Waiter>> waiters_;
};

TEST_F(ConnectLimiterTest, NoMoreThanTheWidthHaveAPlace) {
  EXPECT_TRUE(Enter(0));
  EXPECT_TRUE(Enter(1));
  EXPECT_FALSE(Enter(2));
  EXPECT_EQ(limiter_.inside(), 2u);
  EXPECT_EQ(limiter_.waiting(), 1u);
  EXPECT_THAT(turns_, IsEmpty());
}

TEST_F(ConnectLimiterTest, WaitersEnterInTheOrderOfArrival) {
  for (int i = 0; i < 5; ++i) Enter(i);
  Leave(1);
  Leave(0);
  EXPECT_THAT(turns_, ElementsAre(2, 3));
  Leave(2);
  EXPECT_THAT(turns_, ElementsAre(2, 3, 4));
  EXPECT_EQ(limiter_.inside(), 2u);
}

TEST_F(ConnectLimiterTest, WaiterThatLeavesTheQueueIsSkipped) {
  for (int i = 0; i < 4; ++i) Enter(i);
  Leave(2);
  EXPECT_THAT(turns_, IsEmpty());
  Leave(0);
  EXPECT_THAT(turns_, ElementsAre(3));
}

TEST_F(ConnectLimiterTest, EnteringTwiceTakesOnePlace) {
  EXPECT_TRUE(Enter(0));
  EXPECT_TRUE(Enter(0));
  EXPECT_TRUE(Enter(1));
  EXPECT_FALSE(Enter(2));
  EXPECT_FALSE(Enter(2));
  EXPECT_EQ(limiter_.waiting(), 1u);
  Leave(0);
  Leave(1);
  EXPECT_THAT(turns_, ElementsAre(2));
}

TEST_F(ConnectLimiterTest, LeavingWithoutEnteringFreesNoPlace) {
  for (int i = 0; i < 3; ++i) Enter(i);
  Leave(5);
  EXPECT_THAT(turns_, IsEmpty());
  Leave(0);
  Leave(0);
  EXPECT_THAT(turns_, ElementsAre(2));
}

TEST_F(ConnectLimiterTest, PlacesAreFreeAfterAllHaveLeft) {
  for (int i = 0; i < 6; ++i) Enter(i);
  for (int i = 0; i < 6; ++i) Leave(i);
  EXPECT_EQ(limiter_.inside(), 0u);
  EXPECT_EQ(limiter_.waiting(), 0u);
  EXPECT_TRUE(Enter(3));
}

TEST_F(ConnectLimiterTest, YieldGivesThePlaceToTheNextWaiter) {
  for (int i = 0; i < 4; ++i) Enter(i);
  Yield(1);
  EXPECT_THAT(turns_, ElementsAre(2));
  Yield(1);  // has none any more
  EXPECT_THAT(turns_, ElementsAre(2));
  EXPECT_EQ(limiter_.inside(), 2u);
}

TEST_F(ConnectLimiterTest, QueuedWaiterCannotYield) {
  for (int i = 0; i < 4; ++i) Enter(i);
  Yield(2);
  Return(3);
  EXPECT_EQ(limiter_.inside(), 2u);
  EXPECT_EQ(limiter_.waiting(), 2u);
}

TEST_F(ConnectLimiterTest, ReturnMayExceedTheWidthAndThenNoneEnters) {
  for (int i = 0; i < 4; ++i) Enter(i);
  Yield(0);
  Yield(1);
  EXPECT_THAT(turns_, ElementsAre(2, 3));
  Return(0);
  Return(1);
  EXPECT_EQ(limiter_.inside(), 4u);
  EXPECT_FALSE(Enter(4));
  Leave(0);
  Leave(1);
  EXPECT_THAT(turns_, ElementsAre(2, 3)) << "two are still inside";
  Leave(2);
  EXPECT_THAT(turns_, ElementsAre(2, 3, 4));
}

TEST_F(ConnectLimiterTest, YieldedWaiterThatLeavesFreesNoPlace) {
  for (int i = 0; i < 4; ++i) Enter(i);
  Yield(0);
  EXPECT_THAT(turns_, ElementsAre(2));
  Leave(0);
  EXPECT_THAT(turns_, ElementsAre(2));
  Leave(1);
  EXPECT_THAT(turns_, ElementsAre(2, 3));
}

TEST_F(ConnectLimiterTest, WaitersThatHaveNotFailedEnterFirst) {
  using Standing = ConnectLimiter::Standing;
  Enter(0);
  Enter(1);
  Enter(2, Standing::kFailed);
  Enter(3, Standing::kFailed);
  Enter(4, Standing::kGood);
  Leave(0);
  EXPECT_THAT(turns_, ElementsAre(4));
  Leave(1);
  Leave(4);
  EXPECT_THAT(turns_, ElementsAre(4, 2, 3));
}

TEST_F(ConnectLimiterTest, LookupsWithoutAPlaceAreLimited) {
  using WaitsFor = ConnectLimiter::WaitsFor;
  for (int i = 0; i < 5; ++i) Enter(i);
  Yield(0, WaitsFor::kNameServer);
  EXPECT_THAT(turns_, ElementsAre(2));
  Yield(1, WaitsFor::kNameServer);
  EXPECT_THAT(turns_, ElementsAre(2)) << "keeps its place: one other is looked up already";
  Yield(0, WaitsFor::kServer);  // its name is known now
  Yield(1, WaitsFor::kNameServer);
  EXPECT_THAT(turns_, ElementsAre(2, 3));
}

TEST(ConnectLimiter, WidthIsAtLeastOne) {
  struct Waiter final : ConnectLimiter::Waiter {
    void OnTurn() override {}
  } waiter;
  EXPECT_TRUE(ConnectLimiter(0).Enter(waiter, ConnectLimiter::Standing::kGood));
}

// Many servers in simulated time, each reached as ClusterConnection does it: so many answers make a
// subscription, one that does not come ends the attempt after ten seconds, and the next one follows
// a minute later at most.
class World {
 public:
  struct Server {
    Duration answers_after = std::chrono::hours(1);
    ConnectLimiter::WaitsFor silent_because = ConnectLimiter::WaitsFor::kServer;
    Duration added = {};
  };

  std::size_t Add(const Server& server) {
    sessions_.push_back(std::make_unique<Session>(*this, server));
    Session& own = *sessions_.back();
    At(server.added, [&own] { own.Begin(); });
    return sessions_.size() - 1;
  }
  // Until `end`, or nothing more happens.
  void RunUntil(Duration end) {
    while (!events_.empty() && events_.begin()->first <= end) {
      const auto event = events_.extract(events_.begin());
      now_ = event.key();
      event.mapped()();
      max_inside = std::max(max_inside, limiter_.inside());
    }
  }
  // From when it was added, or last lost.
  std::optional<Duration> TimeToSubscribe(std::size_t session) const {
    return sessions_[session]->took;
  }
  void Lose(std::size_t session) { sessions_[session]->Lose(); }
  std::size_t Subscribed() const {
    return static_cast<std::size_t>(
        std::count_if(sessions_.begin(), sessions_.end(),
                      [](const auto& session) { return session->took.has_value(); }));
  }

  std::size_t max_inside = 0;
  std::size_t requests = 0;

 private:
  static constexpr int kAnswers = 6;
  static constexpr Duration kTimeout = std::chrono::seconds(10);
  static constexpr Duration kDelay = std::chrono::seconds(1);
  static constexpr Duration kMaxDelay = std::chrono::seconds(60);

  struct Session final : ConnectLimiter::Waiter {
    Session(World& own_world, const Server& own_server)
        : world(own_world), server(own_server), since(own_server.added) {}
    void Begin() {
      if (world.limiter_.Enter(*this, failed ? ConnectLimiter::Standing::kFailed
                                             : ConnectLimiter::Standing::kGood)) {
        Proceed();
      }
    }
    void OnTurn() override {
      world.At(world.now_, [this] { Proceed(); });
    }
    void Proceed() {
      failed = true;
      answers = 0;
      SendRequest();
    }
    void SendRequest() {
      ++world.requests;
      const int own = ++request;
      const Duration sent = world.now_;
      for (Duration at = ConnectLimiter::kAnswerTimeout; at < kTimeout;
           at += ConnectLimiter::kAnswerTimeout) {
        world.At(sent + at, [this, own] {
          if (own == request) world.limiter_.Yield(*this, server.silent_because);
        });
      }
      world.At(sent + std::min(server.answers_after, kTimeout), [this, own] {
        if (own != request) return;
        ++request;
        server.answers_after < kTimeout ? Answered() : Failed();
      });
    }
    void Answered() {
      world.limiter_.Return(*this);
      if (++answers < kAnswers) return SendRequest();
      world.limiter_.Leave(*this);
      took = world.now_ - since;
      failed = false;
      delay = kDelay;
    }
    void Failed() {
      world.limiter_.Leave(*this);
      world.At(world.now_ + delay, [this] { Begin(); });
      delay = std::min(2 * delay, kMaxDelay);
    }
    void Lose() {
      took.reset();
      since = world.now_;
      Begin();
    }

    World& world;
    const Server server;
    Duration since;
    Duration delay = kDelay;
    bool failed = false;
    int answers = 0;
    int request = 0;  // what belongs to an earlier one is over
    std::optional<Duration> took;
  };

  void At(Duration when, std::function<void()> what) { events_.emplace(when, std::move(what)); }

  ConnectLimiter limiter_{64};
  Duration now_{};
  std::multimap<Duration, std::function<void()>> events_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

constexpr World::Server kSwallows{};
constexpr World::Server kHealthy{.answers_after = std::chrono::milliseconds(20)};
constexpr Duration kUsual = std::chrono::seconds(4);

// Row 72.
TEST(ConnectLimiterWorld, FourHundredSilentServersDelayNoHealthyServerAtTheStart) {
  for (const std::size_t position : {0u, 200u, 400u}) {
    World world;
    std::size_t healthy = 0;
    for (std::size_t i = 0; i <= 400; ++i) {
      const std::size_t added = world.Add(i == position ? kHealthy : kSwallows);
      if (i == position) healthy = added;
    }
    world.RunUntil(std::chrono::minutes(2));
    ASSERT_TRUE(world.TimeToSubscribe(healthy)) << position;
    EXPECT_LT(*world.TimeToSubscribe(healthy), kUsual) << position;
  }
}

TEST(ConnectLimiterWorld, HealthyServerAddedLaterWaitsForNoFailedServer) {
  World world;
  for (int i = 0; i < 4'000; ++i) world.Add(kSwallows);
  World::Server late = kHealthy;
  for (const int second : {70, 71, 75, 83, 100, 131, 190}) {
    late.added = std::chrono::seconds(second);
    world.Add(late);
  }
  world.RunUntil(std::chrono::seconds(240));
  for (std::size_t i = 4'000; i < 4'007; ++i) {
    ASSERT_TRUE(world.TimeToSubscribe(i)) << i;
    EXPECT_LT(*world.TimeToSubscribe(i), std::chrono::seconds(1)) << i;
  }
  world.Lose(4'000);
  world.RunUntil(std::chrono::seconds(250));
  ASSERT_TRUE(world.TimeToSubscribe(4'000));
  EXPECT_LT(*world.TimeToSubscribe(4'000), std::chrono::seconds(1));
}

TEST(ConnectLimiterWorld, UnansweredLookupsDelayNoHealthyServer) {
  World world;
  for (int i = 0; i < 400; ++i) {
    world.Add({.silent_because = ConnectLimiter::WaitsFor::kNameServer});
  }
  const std::size_t healthy = world.Add(kHealthy);
  world.RunUntil(std::chrono::minutes(1));
  ASSERT_TRUE(world.TimeToSubscribe(healthy));
  EXPECT_LT(*world.TimeToSubscribe(healthy), kUsual);
}

TEST(ConnectLimiterWorld, ThousandServersConnectSixtyFourAtATime) {
  World world;
  for (int i = 0; i < 1'000; ++i) world.Add({.answers_after = std::chrono::milliseconds(400)});
  world.RunUntil(std::chrono::minutes(5));
  EXPECT_EQ(world.Subscribed(), 1'000u);
  EXPECT_EQ(world.max_inside, 64u);
  EXPECT_EQ(world.requests, 6'000u);
}

// They are the servers that the bound is for: all slow, as they are when all clients come at once.
TEST(ConnectLimiterWorld, SlowServersAreNotOverloaded) {
  World world;
  for (int i = 0; i < 1'000; ++i) world.Add({.answers_after = std::chrono::seconds(3)});
  std::size_t before = 0;
  for (int second = 1; second < 120; ++second) {
    world.RunUntil(std::chrono::seconds(second));
    EXPECT_LE(world.requests - before, 3 * 128u) << second;
    before = world.requests;
  }
  world.RunUntil(std::chrono::minutes(10));
  EXPECT_EQ(world.Subscribed(), 1'000u);
}

}  // namespace
}  // namespace runner::ingest
