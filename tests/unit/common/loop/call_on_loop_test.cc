#include "common/loop/call_on_loop.h"

#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace runner {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A loop that runs on its own thread until the end of the test.
class CallOnLoopTest : public testing::Test {
 protected:
  ~CallOnLoopTest() override {
    event_loop_.Stop();
    loop_.join();
  }

  SystemClock clock_;
  EventLoop event_loop_{clock_};
  std::thread loop_{[this] { event_loop_.Run(); }};
};

TEST_F(CallOnLoopTest, RunsOnTheThreadOfTheLoop) {
  const auto answer = CallOnLoop<std::thread::id>(
      event_loop_, [] { return std::this_thread::get_id(); }, seconds(30));
  EXPECT_EQ(answer, loop_.get_id());
}

TEST_F(CallOnLoopTest, RethrowsTheExceptionOfTheQuestion) {
  EXPECT_THROW(CallOnLoop<int>(
                   event_loop_, []() -> int { throw std::runtime_error("no"); }, seconds(30)),
               std::runtime_error);
}

TEST(CallOnIdleLoopTest, ReturnsAfterTheTimeoutAndIgnoresALateAnswer) {
  const SystemClock clock;
  EventLoop event_loop(clock);
  bool asked = false;
  const auto question = [&] {
    asked = true;
    return 1;
  };
  EXPECT_EQ(CallOnLoop<int>(event_loop, question, milliseconds(1)), std::nullopt);
  event_loop.Post([&] { event_loop.Stop(); });
  event_loop.Run();
  EXPECT_TRUE(asked);
}

TEST(CallOnIdleLoopTest, ReturnsAtOnceIfTheQuestionIsDestroyedUnrun) {
  const SystemClock clock;
  auto event_loop = std::make_unique<EventLoop>(clock, 2);
  event_loop->Post([] {});
  std::thread asker([&target = *event_loop] {
    EXPECT_EQ(CallOnLoop<int>(target, [] { return 1; }, std::chrono::hours(1)), std::nullopt);
  });
  while (!event_loop->Full()) std::this_thread::yield();  // until the question is posted
  event_loop->Post([] {});  // waits for the lock: the Post of the caller has returned
  event_loop.reset();
  asker.join();
}

}  // namespace
}  // namespace runner
