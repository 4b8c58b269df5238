#include "ingest/core/event_filter.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace runner::ingest {
namespace {

FaultEvent Event() {
  FaultEvent event;
  event.fault_type = "CrashLoop";
  event.severity = Severity::kError;
  event.resource = {"v1", "Pod", "web-0", "shop", "uid"};
  return event;
}

TEST(Glob, StarMatchesAnyCharacters) {
  EXPECT_TRUE(GlobMatches("*", ""));
  EXPECT_TRUE(GlobMatches("", ""));
  EXPECT_FALSE(GlobMatches("", "a"));
  EXPECT_TRUE(GlobMatches("kube-*", "kube-system"));
  EXPECT_FALSE(GlobMatches("kube-*", "my-kube-system"));
  EXPECT_TRUE(GlobMatches("*-prod-*", "eu-prod-1"));
  EXPECT_TRUE(GlobMatches("a*b*a", "abba"));
  EXPECT_FALSE(GlobMatches("a*b*a", "abb"));
  EXPECT_FALSE(GlobMatches("Pod", "pod")) << "case-sensitive";
  EXPECT_FALSE(GlobMatches("a.c", "abc")) << "only the star is special";
}

TEST(Glob, ManyStarsAreFast) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(GlobMatches(pattern + "*b", std::string(253, 'a')));
}

bool Naive(const std::string& pattern, const std::string& text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] != '*') {
    return !text.empty() && text[0] == pattern[0] && Naive(pattern.substr(1), text.substr(1));
  }
  return Naive(pattern.substr(1), text) || (!text.empty() && Naive(pattern, text.substr(1)));
}

TEST(Glob, AgreesWithARecursiveMatcher) {
  const bool holds = rc::check("glob equals model", [] {
    const auto letters = *rc::gen::container<std::string>(rc::gen::element('a', 'b', '*'));
    const auto more = *rc::gen::container<std::string>(rc::gen::element('a', 'b'));
    const std::string pattern = letters.substr(0, 10);
    const std::string text = more.substr(0, 14);
    RC_ASSERT(GlobMatches(pattern, text) == Naive(pattern, text));
  });
  EXPECT_TRUE(holds);
}

TEST(EventFilter, PassesAnEventThatNoRuleRejects) {
  EXPECT_EQ(EventFilter({}).Rejects(Event()), std::nullopt);
}

TEST(EventFilter, ReturnsTheFirstRuleThatRejects) {
  FilterRules rules;
  rules.fault_types.deny = {"Crash*"};
  EXPECT_EQ(EventFilter(rules).Rejects(Event()), FilterReason::kFaultType);
  rules.kinds.allow = {"Node", "Deploy*"};
  EXPECT_EQ(EventFilter(rules).Rejects(Event()), FilterReason::kKind);
  rules.namespaces.deny = {"sh*"};
  EXPECT_EQ(EventFilter(rules).Rejects(Event()), FilterReason::kNamespace);
  rules.severity_threshold = Severity::kCritical;
  EXPECT_EQ(EventFilter(rules).Rejects(Event()), FilterReason::kSeverity);
  rules.triage = false;
  EXPECT_EQ(EventFilter(rules).Rejects(Event()), FilterReason::kTriageDisabled);
}

TEST(EventFilter, DenyOverridesAllow) {
  FilterRules rules;
  rules.namespaces = {{"shop", "kube-*"}, {"kube-system"}};
  FaultEvent event = Event();
  EXPECT_EQ(EventFilter(rules).Rejects(event), std::nullopt);
  event.resource.namespace_ = "kube-system";
  EXPECT_EQ(EventFilter(rules).Rejects(event), FilterReason::kNamespace);
}

TEST(EventFilter, AnEmptyAllowListAdmitsNothing) {
  FilterRules rules;
  rules.kinds.allow = {};
  EXPECT_EQ(EventFilter(rules).Rejects(Event()), FilterReason::kKind);
}

TEST(EventFilter, NamespaceRulesDoNotApplyToObjectsWithoutOne) {
  FilterRules rules;
  rules.namespaces = {{"shop"}, {"*"}};
  FaultEvent event = Event();
  event.resource.kind = "Node";
  event.resource.namespace_ = "";
  EXPECT_EQ(EventFilter(rules).Rejects(event), std::nullopt);
}

}  // namespace
}  // namespace runner::ingest
