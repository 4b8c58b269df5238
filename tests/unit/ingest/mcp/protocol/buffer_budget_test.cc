#include "ingest/mcp/protocol/buffer_budget.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t kMiB = std::size_t{1} << 20;

class BufferBudgetTest : public ::testing::Test {
 protected:
  std::unique_ptr<BufferBudget::Account> Open(std::string name) {
    return std::make_unique<BufferBudget::Account>(
        budget_, [this, name = std::move(name)] { gave_way_.push_back(name); });
  }

  const std::shared_ptr<BufferBudget> budget_ = std::make_shared<BufferBudget>(10 * kMiB);
  std::vector<std::string> gave_way_;
};

TEST_F(BufferBudgetTest, LargestAccountGivesWay) {
  const auto a = Open("a");
  const auto b = Open("b");
  const auto c = Open("c");
  a->Set(6 * kMiB);
  b->Set(3 * kMiB);
  c->Set(1 * kMiB);
  EXPECT_THAT(gave_way_, IsEmpty());
  c->Set(2 * kMiB);
  EXPECT_THAT(gave_way_, ElementsAre("a"));
  EXPECT_EQ(budget_->total(), 5 * kMiB);
}

TEST_F(BufferBudgetTest, AccountThatGrowsPastTheOthersGivesWay) {
  const auto a = Open("a");
  const auto b = Open("b");
  a->Set(4 * kMiB);
  b->Set(7 * kMiB);
  EXPECT_THAT(gave_way_, ElementsAre("b"));
  EXPECT_EQ(budget_->total(), 4 * kMiB);
  b->Set(1 * kMiB);
  EXPECT_EQ(budget_->total(), 5 * kMiB) << "it begins anew";
}

TEST_F(BufferBudgetTest, SmallerAccountsStayWhenTheLargestGivesWay) {
  std::vector<std::unique_ptr<BufferBudget::Account>> many;
  for (int i = 0; i < 10; ++i) {
    many.push_back(Open(std::to_string(i)));
    many.back()->Set(1 * kMiB);
  }
  const auto large = Open("large");
  large->Set(10 * kMiB);
  EXPECT_THAT(gave_way_, ElementsAre("large"));
  EXPECT_EQ(budget_->total(), 10 * kMiB);
}

TEST_F(BufferBudgetTest, SmallAccountIsNotCountedAndNeverGivesWay) {
  std::vector<std::unique_ptr<BufferBudget::Account>> many;
  for (int i = 0; i < 10'000; ++i) {
    many.push_back(Open("little"));
    many.back()->Set(BufferBudget::kCounted - 1);
  }
  EXPECT_EQ(budget_->total(), 0u);
  const auto large = Open("large");
  large->Set(11 * kMiB);
  EXPECT_THAT(gave_way_, ElementsAre("large"));
}

TEST(BufferBudgetLife, AccountMayOutliveTheOwnerOfTheBudget) {
  auto budget = std::make_shared<BufferBudget>();
  BufferBudget::Account account(budget, [] {});
  account.Set(kMiB);
  budget.reset();
  account.Set(2 * kMiB);
}

TEST_F(BufferBudgetTest, DestroyedAccountHoldsNothing) {
  {
    const auto a = Open("a");
    a->Set(9 * kMiB);
    EXPECT_EQ(budget_->total(), 9 * kMiB);
  }
  EXPECT_EQ(budget_->total(), 0u);
  const auto b = Open("b");
  b->Set(9 * kMiB);
  EXPECT_THAT(gave_way_, IsEmpty());
}

}  // namespace
}  // namespace runner::ingest
