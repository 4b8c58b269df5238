// The parser of PromQL names for the tests of dashboard and alerts.

#include "tests/e2e/promql.h"

#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/mentions.h"

namespace runner {
namespace {

using namespace support;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(PromqlTest, FindsMetricsAndTheLabelsOfTheirMatchers) {
  const PromqlNames names =
      ReadPromql("time() - (a_seconds{x=\"1\", y=~'.*',} > bool 0) or vector(0) + 5e3 * b[5m]");
  ASSERT_THAT(names.selectors, SizeIs(2));
  EXPECT_THAT(names.selectors[0].metrics, ElementsAre("a_seconds"));
  EXPECT_THAT(names.selectors[0].labels, ElementsAre("x", "y"));
  EXPECT_THAT(names.selectors[1].metrics, ElementsAre("b"));
  EXPECT_THAT(names.selectors[1].labels, IsEmpty());
  EXPECT_FALSE(names.aggregates);
}

TEST(PromqlTest, FindsTheLabelsThatGroupAndJoin) {
  const PromqlNames names = ReadPromql(
      "sum by (le, x) (rate(a[5m] offset 10m)) * on(job) group_left (version) b and ignoring(z) c");
  EXPECT_THAT(names.selectors, SizeIs(3));
  EXPECT_THAT(names.grouping, ElementsAre("job", "le", "x", "z"));
  EXPECT_THAT(names.joined, ElementsAre("version"));
  EXPECT_TRUE(names.aggregates);
}

TEST(PromqlTest, APatternExpandsToItsNames) {
  const PromqlNames names = ReadPromql("{__name__=~\"k_(a(b|c)|d)_total|e\", x!=\"y|z\"}");
  ASSERT_THAT(names.selectors, SizeIs(1));
  EXPECT_THAT(names.selectors[0].metrics,
              ElementsAre("e", "k_ab_total", "k_ac_total", "k_d_total"));
  EXPECT_THAT(names.selectors[0].labels, ElementsAre("x"));
}

TEST(PromqlTest, RejectsUnsupportedExpressions) {
  for (const char* text : {"{x=\"y\"}", "{__name__=~\"a.*\"}", "{__name__!=\"a\"}", "a{x=\"y\"",
                           "a{x=y}", "sum by (x", "{__name__=~\"(a\"}", "a{x=\"\\d\"}"}) {
    EXPECT_THROW(ReadPromql(text), std::invalid_argument) << text;
  }
}

TEST(MentionsTest, FindsMissingMetricsAndLabels) {
  const Scraped scraped = {
      .metrics = {{"a", {"x", "job"}}, {"b", {"x", "y", "job"}}, {"h_bucket", {"le"}}},
      .histograms = {"h"}};
  for (const auto& [expression, labels] : std::vector<std::pair<const char*, const char*>>{
           {"a{x=\"1\"}", "x"},
           {"sum by (x) (a) / sum by (x) (b)", "x"},
           {"a * on (job) group_left (y) b", "y"},
           {"histogram_quantile(0.9, sum by (le) (h_bucket))", "le"}}) {
    EXPECT_THAT(Missing({"", expression, {labels}}, scraped), IsEmpty()) << expression;
  }
  for (const auto& [expression, labels] :
       std::vector<std::pair<const char*, const char*>>{{"c", ""},
                                                        {"a{y=\"1\"}", ""},
                                                        {"{__name__=~\"a|c\"}", ""},
                                                        {"sum by (x) (b)", "y"},
                                                        {"sum(b)", "y"},
                                                        {"sum by (y) (a) / sum by (y) (b)", "y"},
                                                        {"a + b", "y"},
                                                        {"a * on (job) group_left (z) b", ""},
                                                        {"h", ""},
                                                        {"vector(0)", ""}}) {
    std::set<std::string> of_text;
    if (*labels != '\0') of_text.insert(labels);
    EXPECT_THAT(Missing({"", expression, of_text}, scraped), ::testing::Not(IsEmpty()))
        << expression;
  }
  EXPECT_THAT(Missing({.where = "", .expression = "h", .prose = true}, scraped), IsEmpty());
}

}  // namespace
}  // namespace runner
