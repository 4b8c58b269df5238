#include "ingest/mcp/event_list.h"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/mcp/fault_decoder.h"

namespace runner::ingest {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// As the released kubernetes-mcp-server writes it.
constexpr const char* kTwo =
    "# The following events (YAML format) were found:\n"
    "- InvolvedObject:\n"
    "    Kind: Pod\n"
    "    Name: cart-0\n"
    "    apiVersion: v1\n"
    "  Message: |-\n"
    "    Back-off restarting: \"x\"\n"
    "    line2: 'y' # z\n"
    "  Namespace: shop\n"
    "  Reason: BackOff\n"
    "  Timestamp: 2026-11-25 16:48:44 +0000 UTC\n"
    "  Type: Warning\n"
    "- InvolvedObject:\n"
    "    Kind: Node\n"
    "    Name: node-1\n"
    "  Message: all is well\n"
    "  Namespace: default\n"
    "  Reason: NodeReady\n"
    "  Timestamp: 2026-11-25 18:48:44.5 +0200 CEST\n"
    "  Type: Normal\n";

TEST(EventList, ReadsWhatTheReleasedServerWrites) {
  const auto events = ReadEventList(kTwo);
  ASSERT_TRUE(events);
  ASSERT_THAT(*events, SizeIs(2));
  const ClusterEvent& first = events->front();
  EXPECT_EQ(first.type, "Warning");
  EXPECT_EQ(first.reason, "BackOff");
  EXPECT_EQ(first.message, "Back-off restarting: \"x\"\nline2: 'y' # z");
  EXPECT_EQ(first.namespace_, "shop");
  EXPECT_EQ(first.object.kind, "Pod");
  EXPECT_EQ(first.object.name, "cart-0");
  EXPECT_EQ(first.object.api_version, "v1");
  EXPECT_EQ(first.timestamp, ParseTimestamp("2026-11-25T16:48:44Z"));
  EXPECT_EQ(events->back().timestamp, ParseTimestamp("2026-11-25T16:48:44.5Z"));
}

TEST(EventList, NoEventsAreAnEmptyList) {
  for (const char* text : {"# No events found", "# No events found\n", "", "[]"}) {
    const auto events = ReadEventList(text);
    ASSERT_TRUE(events) << text;
    EXPECT_THAT(*events, IsEmpty());
  }
}

TEST(EventList, ProseIsNoList) {
  for (const char* text : {"an error has happened", "failed: true", "\"x", "- [", "{a: b}"}) {
    EXPECT_FALSE(ReadEventList(text)) << text;
  }
}

TEST(EventList, AnEventWithoutATimeHasNone) {
  for (const char* time : {"0001-01-01 00:00:00 +0000 UTC", "null", "soon", "", "&a *a"}) {
    const auto events = ReadEventList("- Timestamp: " + std::string(time) + "\n  Reason: X\n");
    if (!events) continue;  // not even YAML
    ASSERT_THAT(*events, SizeIs(1)) << time;
    EXPECT_FALSE(events->front().timestamp) << time;
  }
}

TEST(EventList, WhatElseIsInItIsPassedOver) {
  const auto events = ReadEventList(
      "- just text\n- [a, b]\n- Reason: R\n  Labels: {Reason: other, deep: [{Type: no}]}\n"
      "  InvolvedObject: {Kind: Pod, Name: p, More: {Name: other}}\n");
  ASSERT_TRUE(events);
  ASSERT_THAT(*events, SizeIs(1));
  EXPECT_EQ(events->front().reason, "R");
  EXPECT_EQ(events->front().type, "");
  EXPECT_EQ(events->front().object.name, "p");
}

TEST(EventList, Row10_DepthIsBounded) {
  EXPECT_FALSE(ReadEventList("- " + std::string(10'000, '[')));
  std::string deep = "-";
  for (int i = 0; i < 10'000; ++i) deep += " -";
  EXPECT_FALSE(ReadEventList(deep + " x"));
}

TEST(EventList, Row10_BracketsWithoutAnEndAreGivenUp) {
  for (const char* piece : {"[", "{", "[\n", "a, ", "a: b, "}) {
    std::string text = "- {x: [";
    while (text.size() < (std::size_t{1} << 20)) text += piece;
    EXPECT_FALSE(ReadEventList(text)) << piece;
  }
}

TEST(EventList, LongListsAndMessagesAreRead) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "- {Reason: R, Message: " + std::string(1024, 'm') + "}\n";
  text += "- Message: " + std::string(100'000, 'm') + "\n";
  const auto events = ReadEventList(text);
  ASSERT_TRUE(events);
  EXPECT_THAT(*events, SizeIs(3001));
}

TEST(EventList, WhatIsNoEventIsBoundedToo) {
  std::string text;
  for (std::size_t i = 0; i < 100 * kMaxListedEvents; ++i) text += "- a\n";
  const auto events = ReadEventList(text + "- {Reason: R}\n");
  ASSERT_TRUE(events);
  EXPECT_THAT(*events, IsEmpty());
}

TEST(EventList, AliasesAreNotExpanded) {
  const auto events = ReadEventList(
      "- &a {Reason: R, InvolvedObject: {Kind: K, Name: N}}\n- *a\n- {Message: *a, Type: T}\n");
  ASSERT_TRUE(events);
  EXPECT_THAT(*events, SizeIs(2));
}

TEST(EventList, IsCutAtItsBound) {
  std::string many;
  for (std::size_t i = 0; i < kMaxListedEvents + 5; ++i) many += "- {Reason: R}\n";
  const auto events = ReadEventList(many);
  ASSERT_TRUE(events);
  EXPECT_THAT(*events, SizeIs(kMaxListedEvents));
}

}  // namespace
}  // namespace runner::ingest
