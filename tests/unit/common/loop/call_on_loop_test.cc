#include "common/loop/call_on_loop.h"

#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace runner {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A loop that runs on a thread of its own until the end of the test.
class AskLoopTest : public testing::Test {
 protected:
  ~AskLoopTest() override {
    inbox_.Stop();
    loop_.join();
  }

  SystemClock clock_;
  Inbox inbox_{clock_};
  std::thread loop_{[this] { inbox_.Run(); }};
};

TEST_F(AskLoopTest, AnswersFromTheThreadOfTheLoop) {
  const auto answer =
      AskLoop<std::thread::id>(inbox_, [] { return std::this_thread::get_id(); }, seconds(30));
  EXPECT_EQ(answer, loop_.get_id());
}

TEST_F(AskLoopTest, ThrowsWhatTheQuestionThrows) {
  EXPECT_THROW(AskLoop<int>(
                   inbox_, []() -> int { throw std::runtime_error("no"); }, seconds(30)),
               std::runtime_error);
}

TEST(AskIdleLoopTest, GivesUpAfterTheTimeoutAndALateAnswerHarmsNothing) {
  const SystemClock clock;
  Inbox inbox(clock);
  bool asked = false;
  const auto question = [&] {
    asked = true;
    return 1;
  };
  EXPECT_EQ(AskLoop<int>(inbox, question, milliseconds(1)), std::nullopt);
  inbox.Post([&] { inbox.Stop(); });
  inbox.Run();
  EXPECT_TRUE(asked);
}

TEST(AskIdleLoopTest, EndsAtOnceWhenTheQuestionIsDestroyedUnrun) {
  const SystemClock clock;
  auto inbox = std::make_unique<Inbox>(clock, 2);
  inbox->Post([] {});
  std::thread asker([&target = *inbox] {
    EXPECT_EQ(AskLoop<int>(target, [] { return 1; }, std::chrono::hours(1)), std::nullopt);
  });
  while (!inbox->Full()) std::this_thread::yield();  // until the question is in
  inbox->Post([] {});                                // waits for the lock: the asker's Post is over
  inbox.reset();
  asker.join();
}

}  // namespace
}  // namespace runner
