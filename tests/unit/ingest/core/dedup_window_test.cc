#include "ingest/core/dedup_window.h"

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/sim/rules.h"
#include "tests/support/times.h"

namespace runner::ingest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class DedupWindowTest : public ::testing::Test {
 protected:
  bool IsDuplicate() { return window_.OnEvent("key", now_).has_value(); }
  // Investigates the fault once more; the run ends now.
  std::string Investigate(Severity severity = Severity::kWarning) {
    const std::string id = "i" + std::to_string(++runs_);
    window_.OnQueued("key", id, now_);
    window_.OnRunEnded("key", id, severity, now_);
    return id;
  }
  // Returns the level of the open window.
  Severity Level() { return window_.OnEvent("key", now_)->level; }
  void Pass(Duration time) { now_ += time; }

  DedupWindow window_{{}};
  MonoTime now_ = kStart;
  int runs_ = 0;
};

TEST_F(DedupWindowTest, AnOpenIncidentTakesItsKey) {
  EXPECT_FALSE(IsDuplicate());
  window_.OnQueued("key", "i", now_);
  Pass(hours(100));
  const auto duplicate = window_.OnEvent("key", now_);
  ASSERT_TRUE(duplicate);
  EXPECT_EQ(duplicate->incident_id, "i");
  EXPECT_TRUE(duplicate->open);
  EXPECT_FALSE(window_.OnEvent("another key", now_));
}

TEST_F(DedupWindowTest, TheWindowBeginsAfterARun) {
  Investigate();
  Pass(minutes(5) - seconds(1));
  const auto duplicate = window_.OnEvent("key", now_);
  ASSERT_TRUE(duplicate);
  EXPECT_FALSE(duplicate->open);
  Pass(seconds(1));
  EXPECT_FALSE(IsDuplicate());
}

TEST_F(DedupWindowTest, TheWindowTriplesUpToItsMaximum) {
  for (const Duration window : {Duration(minutes(5)), Duration(minutes(15)), Duration(minutes(45)),
                                Duration(minutes(135)), Duration(hours(4)), Duration(hours(4))}) {
    Investigate();
    Pass(window - seconds(1));
    EXPECT_TRUE(IsDuplicate());
    Pass(seconds(1));
    EXPECT_FALSE(IsDuplicate());
  }
}

TEST_F(DedupWindowTest, AQuietDayResetsTheWindow) {
  Investigate();
  Pass(minutes(5));
  Investigate();
  Pass(hours(24));
  EXPECT_FALSE(IsDuplicate());
  EXPECT_EQ(window_.size(), 0u) << "a quiet key is removed";
  Investigate();
  Pass(minutes(5));
  EXPECT_FALSE(IsDuplicate());
}

TEST_F(DedupWindowTest, DuplicatesResetTheQuietTime) {
  Investigate();
  Pass(minutes(5));
  Investigate();
  for (int i = 0; i < 3; ++i) {
    Pass(hours(20));
    IsDuplicate();
  }
  Investigate();  // the third run within a quiet time
  Pass(minutes(44));
  EXPECT_TRUE(IsDuplicate());
}

TEST_F(DedupWindowTest, ADroppedIncidentFreesItsKey) {
  window_.OnQueued("key", "i", now_);
  window_.OnDropped("key", "i");
  EXPECT_FALSE(IsDuplicate());
  EXPECT_EQ(window_.size(), 0u);
}

TEST_F(DedupWindowTest, ADroppedIncidentKeepsTheWindowOfAnEarlierRun) {
  Investigate();
  Pass(minutes(5));
  window_.OnQueued("key", "dropped", now_);
  window_.OnDropped("key", "dropped");
  Investigate();
  Pass(minutes(14));
  EXPECT_TRUE(IsDuplicate()) << "the second run tripled the window";
}

TEST_F(DedupWindowTest, AKeyThatWasQuietWhileOpenIsResetWhateverItsPosition) {
  Investigate();
  Pass(minutes(5));
  window_.OnQueued("key", "waits", now_);
  Pass(hours(24));
  window_.OnQueued("other", "i", now_);
  window_.OnRunEnded("other", "i", Severity::kWarning, now_);
  window_.OnDropped("key", "waits");
  EXPECT_FALSE(IsDuplicate());
  Investigate();
  Pass(minutes(5));
  EXPECT_FALSE(IsDuplicate()) << "the window has not tripled";
}

TEST_F(DedupWindowTest, OnlyTheLatestIncidentOfAKeyChangesIt) {
  window_.OnQueued("key", "old", now_);
  window_.OnQueued("key", "new", now_);
  window_.OnDropped("key", "old");
  window_.OnRunEnded("key", "old", Severity::kWarning, now_);
  Pass(hours(1));
  EXPECT_EQ(window_.OnEvent("key", now_)->incident_id, "new");
}

TEST_F(DedupWindowTest, TheLevelIsTheHighestSeverityInvestigatedWithinTheWindow) {
  Investigate(Severity::kWarning);
  EXPECT_EQ(Level(), Severity::kWarning);
  Pass(minutes(1));
  Investigate(Severity::kCritical);
  EXPECT_EQ(Level(), Severity::kCritical);
  Pass(minutes(1));
  Investigate(Severity::kError);
  EXPECT_EQ(Level(), Severity::kCritical) << "a milder rerun does not lower it";
}

TEST_F(DedupWindowTest, ANewWindowResetsTheLevel) {
  Investigate(Severity::kCritical);
  Pass(minutes(5));
  Investigate(Severity::kWarning);
  EXPECT_EQ(Level(), Severity::kWarning);
}

TEST_F(DedupWindowTest, AnEscalationTriplesTheWindow) {
  Investigate(Severity::kWarning);
  Pass(minutes(1));
  Investigate(Severity::kCritical);
  Pass(minutes(15) - seconds(1));
  EXPECT_TRUE(IsDuplicate());
  Pass(seconds(1));
  EXPECT_FALSE(IsDuplicate());
}

TEST_F(DedupWindowTest, AnEscalationThatIsDroppedKeepsTheWindow) {
  const std::string ran = Investigate(Severity::kWarning);
  Pass(minutes(1));
  window_.OnQueued("key", "escalated", now_);
  ASSERT_NE(window_.Open("key"), nullptr);
  EXPECT_EQ(*window_.Open("key"), "escalated");
  window_.OnDropped("key", "escalated");
  EXPECT_EQ(window_.Open("key"), nullptr);
  const auto duplicate = window_.OnEvent("key", now_);
  ASSERT_TRUE(duplicate);
  EXPECT_EQ(duplicate->incident_id, ran) << "the dropped one was not investigated";
  EXPECT_EQ(duplicate->level, Severity::kWarning) << "and may escalate again";
  EXPECT_EQ(duplicate->taken_for, Duration(minutes(4)));
}

TEST_F(DedupWindowTest, AWindowOfZeroDisablesDeduplication) {
  DedupWindow window({.window = Duration::zero()});
  window.OnQueued("key", "i", now_);
  EXPECT_FALSE(window.OnEvent("key", now_));
  EXPECT_EQ(window.size(), 0u);
}

TEST_F(DedupWindowTest, TheLimitRemovesTheLongestSilentKeysFirst) {
  DedupWindow window({.max_ended = 2});
  const auto run = [&](const std::string& key) {
    window.OnQueued(key, "i", now_);
    window.OnRunEnded(key, "i", Severity::kWarning, now_);
    Pass(seconds(1));
  };
  window.OnQueued("open", "i", now_);
  run("a");
  run("b");
  EXPECT_TRUE(window.OnEvent("a", now_)) << "resets the quiet time of a";
  run("c");
  EXPECT_FALSE(window.OnEvent("b", now_));
  EXPECT_TRUE(window.OnEvent("a", now_));
  EXPECT_TRUE(window.OnEvent("c", now_));
  EXPECT_TRUE(window.OnEvent("open", now_)) << "an open key is never removed";
  EXPECT_EQ(window.size(), 3u);
}

TEST(DedupKeyOf, KeysOfDifferentObjectsDiffer) {
  FaultEvent a;
  a.cluster = "c";
  a.resource = {"v1", "Pod", "b", "a", ""};
  FaultEvent b = a;
  b.resource = {"v1", "Pod", "", "a1:b", ""};
  EXPECT_NE(DedupKeyOf(DedupKey::kResource, a), DedupKeyOf(DedupKey::kResource, b));
  b = a;
  b.fault_type = "OOMKilled";
  b.fault_id = "another";
  EXPECT_EQ(DedupKeyOf(DedupKey::kResource, a), DedupKeyOf(DedupKey::kResource, b));
  b.cluster = "d";
  EXPECT_NE(DedupKeyOf(DedupKey::kResource, a), DedupKeyOf(DedupKey::kResource, b));
}

// Row 61: each source reports another uid.
TEST(DedupKeyOf, AUidDoesNotSplitAnObject) {
  for (const DedupKey kind : {DedupKey::kResource, DedupKey::kFault}) {
    FaultEvent node;
    node.cluster = "c";
    node.resource = {"v1", "Node", "node-1", "", ""};
    for (const char* uid : {"node-1", "6f0c5f7e-0000-4000-8000-000000000001", "a", "b"}) {
      FaultEvent same = node;
      same.resource.uid = uid;
      EXPECT_EQ(DedupKeyOf(kind, node), DedupKeyOf(kind, same)) << uid;
    }
    FaultEvent pod = node;
    pod.resource.kind = "Pod";
    EXPECT_NE(DedupKeyOf(kind, node), DedupKeyOf(kind, pod));
    pod = node;
    pod.resource.namespace_ = "shop";
    EXPECT_NE(DedupKeyOf(kind, node), DedupKeyOf(kind, pod));
  }
}

TEST(DedupKeyOf, FallsBackToTheObjectWithoutAFaultId) {
  FaultEvent a;
  a.cluster = "c";
  a.resource.name = "a";
  FaultEvent b = a;
  b.resource.name = "b";
  EXPECT_NE(DedupKeyOf(DedupKey::kFault, a), DedupKeyOf(DedupKey::kFault, b));
  a.fault_id = b.fault_id = "fault";
  EXPECT_EQ(DedupKeyOf(DedupKey::kFault, a), DedupKeyOf(DedupKey::kFault, b));
}

TEST(DedupWindowModel, AgreesWithAModelOfEveryRunOfAKey) {
  const bool holds = rc::check("window equals model", [] {
    const DedupWindow::Options options{
        .window = seconds(10), .window_max = seconds(50), .quiet = seconds(300)};
    DedupWindow window(options);
    sim::DedupRule rule(options);
    MonoTime now = kStart;
    int last = 0;
    std::map<std::string, std::pair<std::string, Severity>> open;
    const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int, int>>>(
        rc::gen::tuple(rc::gen::inRange(0, 5), rc::gen::inRange(0, 3), rc::gen::inRange(0, 120),
                       rc::gen::inRange(0, 3)));
    for (const auto& [what, which, passed, severe] : steps) {
      now += seconds(passed < 100 ? passed / 4 : 3 * passed);
      const std::string key = "key" + std::to_string(which);
      const auto severity = static_cast<Severity>(2 + severe);
      const bool rerun = what == 4 && !open.contains(key);
      if (what <= 1 || rerun) {
        const auto actual = window.OnEvent(key, now);
        const auto expected = rule.OnEvent(key, now);
        RC_ASSERT(actual.has_value() == expected.has_value());
        if (actual) {
          RC_ASSERT(actual->incident_id == expected->incident);
          RC_ASSERT(actual->open == expected->open);
          RC_ASSERT(actual->level == expected->level);
          const bool escalates = !actual->open && severity > actual->level;
          if (!escalates && !rerun) continue;
        }
        open[key] = {"i" + std::to_string(++last), severity};
        window.OnQueued(key, open[key].first, now);
        rule.Queued(key, open[key].first, now);
      } else if (open.contains(key)) {
        const auto& [id, of] = open[key];
        if (what == 2) {
          window.OnRunEnded(key, id, of, now);
        } else {
          window.OnDropped(key, id);
        }
        rule.Ended(key, id, of, what == 2, now);
        open.erase(key);
      }
      const std::string* const held = window.Open(key);
      RC_ASSERT((held != nullptr) == rule.Open(key).has_value());
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace runner::ingest
