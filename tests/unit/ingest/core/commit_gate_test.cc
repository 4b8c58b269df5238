#include "ingest/core/commit_gate.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Commits when Commit is called.
class SlowJournal final : public IncidentJournal {
 public:
  std::vector<RestoredIncident> Restore() override { return {}; }
  JournalPosition Append(std::vector<IncidentChange> changes) override {
    for (const IncidentChange& change : changes) appended.push_back(change.incident_id);
    return ++last_;
  }
  Committed committed() const override { return committed_; }
  void OnCommit(std::function<void()>) override {}
  bool degraded() const override { return false; }
  std::uint64_t write_errors() const override { return 0; }

  void Commit(JournalPosition position, bool is_volatile = false) {
    committed_ = {position, is_volatile};
  }
  std::vector<std::string> appended;

 private:
  JournalPosition last_ = 0;
  Committed committed_;
};

bool IsVolatile(const Effect& effect) {
  return std::get<dispatch::ResultAck>(std::get<ToExecutor>(effect).message).is_volatile;
}

class CommitGateTest : public ::testing::Test {
 protected:
  static Effect Change(std::string id) {
    Persist persist;
    persist.change.incident_id = std::move(id);
    return persist;
  }
  static Effect Message(std::uint64_t seq) { return ToExecutor{1, dispatch::KeepAliveAck{seq}}; }
  static std::vector<std::uint64_t> Messages(const Effects& effects) {
    std::vector<std::uint64_t> seqs;
    for (const Effect& effect : effects) {
      seqs.push_back(std::get<dispatch::KeepAliveAck>(std::get<ToExecutor>(effect).message).seq);
    }
    return seqs;
  }

  SlowJournal journal_;
  CommitGate gate_{journal_};
};

TEST_F(CommitGateTest, AStepWithoutChangesPassesAtOnce) {
  EXPECT_THAT(Messages(gate_.Pass({Message(1)})), ElementsAre(1));
  EXPECT_TRUE(gate_.empty());
}

TEST_F(CommitGateTest, HoldsEffectsUntilTheirChangesAreCommitted) {
  EXPECT_THAT(gate_.Pass({Change("a"), Message(1), Change("b")}), IsEmpty());
  EXPECT_THAT(journal_.appended, ElementsAre("a", "b"));
  EXPECT_FALSE(gate_.empty());
  EXPECT_THAT(gate_.Release(), IsEmpty());
  journal_.Commit(1);
  EXPECT_THAT(Messages(gate_.Release()), ElementsAre(1));
  EXPECT_THAT(gate_.Release(), IsEmpty()) << "released once";
}

TEST_F(CommitGateTest, KeepsTheOrderOfStepsWithoutChanges) {
  gate_.Pass({Change("a"), Message(1)});
  EXPECT_THAT(gate_.Pass({Message(2)}), IsEmpty()) << "a later step";
  gate_.Pass({Change("b"), Message(3)});
  journal_.Commit(1);
  EXPECT_THAT(Messages(gate_.Pass({Message(4)})), ElementsAre(1, 2));
  journal_.Commit(2);
  EXPECT_THAT(Messages(gate_.Release()), ElementsAre(3, 4));
}

TEST_F(CommitGateTest, MarksAcknowledgementsOfAVolatileJournal) {
  gate_.Pass({Change("a"), ToExecutor{1, dispatch::ResultAck{{"a", 1}}}});
  journal_.Commit(1, true);
  EXPECT_TRUE(IsVolatile(gate_.Release().at(0)));
  gate_.Pass({Change("b"), ToExecutor{1, dispatch::ResultAck{{"b", 1}}}});
  journal_.Commit(2, false);
  EXPECT_FALSE(IsVolatile(gate_.Release().at(0)));
}

TEST(VolatileJournal, CommitsEveryChangeAtOnceAsVolatile) {
  VolatileJournal journal;
  CommitGate gate(journal);
  Effects step;
  step.push_back(Persist{});
  step.push_back(ToExecutor{1, dispatch::ResultAck{{"a", 1}}});
  const Effects released = gate.Pass(std::move(step));
  ASSERT_EQ(released.size(), 1u);
  EXPECT_TRUE(IsVolatile(released[0]));
}

}  // namespace
}  // namespace runner::ingest
