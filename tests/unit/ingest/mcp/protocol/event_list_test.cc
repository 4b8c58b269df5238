#include "ingest/mcp/protocol/event_list.h"

#include <chrono>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/fault_decoder.h"

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
    "  Type: Warning\n";

TEST(EventList, OutputOfTheReleasedServerIsRead) {
  const EventList list = ReadEventList(kTwo);
  ASSERT_TRUE(list.is_list);
  ASSERT_THAT(list.events, SizeIs(2));
  const ClusterEvent& first = list.events.front();
  EXPECT_EQ(first.type, "Warning");
  EXPECT_EQ(first.reason, "BackOff");
  EXPECT_EQ(first.message, "Back-off restarting: \"x\"\nline2: 'y' # z");
  EXPECT_EQ(first.namespace_, "shop");
  EXPECT_EQ(first.object.kind, "Pod");
  EXPECT_EQ(first.object.name, "cart-0");
  EXPECT_EQ(first.object.api_version, "v1");
  EXPECT_EQ(first.timestamp, ParseTimestamp("2026-11-25T16:48:44Z"));
  EXPECT_EQ(list.events.back().timestamp, ParseTimestamp("2026-11-25T16:48:44.5Z"));
}

TEST(EventList, ReplyWithoutEventsIsAnEmptyList) {
  for (const char* text : {"# No events found", "# No events found\n", "[]", "No events found",
                           "# The following events (YAML format) were found:\n"}) {
    const EventList list = ReadEventList(text);
    EXPECT_TRUE(list.is_list) << text;
    EXPECT_THAT(list.events, IsEmpty());
  }
}

TEST(EventList, ProseIsNoList) {
  for (const char* text : {"", "\n", "an error has happened", "failed: true", "\"x", "- [",
                           "{a: b}", "one:\ntwo:\n- Reason: R\n"}) {
    EXPECT_FALSE(ReadEventList(text).is_list) << text;
  }
}

// v0.0.18 to v0.0.52 of kubernetes-mcp-server write the sentence without a comment sign.
TEST(EventList, SentenceBeforeTheListIsSkipped) {
  const EventList list = ReadEventList(std::string(kTwo).substr(2));
  EXPECT_TRUE(list.is_list);
  EXPECT_THAT(list.events, SizeIs(2));
}

TEST(EventList, EventWithoutATimeHasNoTimestamp) {
  for (const char* time : {"0001-01-01 00:00:00 +0000 UTC", "null", "soon", "", "&a *a"}) {
    const EventList list =
        ReadEventList("- Timestamp: " + std::string(time) + "\n  Type: Warning\n");
    if (!list.is_list) continue;  // not even YAML
    ASSERT_THAT(list.events, SizeIs(1)) << time;
    EXPECT_FALSE(list.events.front().timestamp) << time;
  }
}

TEST(EventList, LatestTimeOfAnEventCounts) {
  const EventList list = ReadEventList(
      "- Type: Warning\n  EventTime: 2026-11-25T10:00:00.5Z\n"
      "  Timestamp: 2026-11-25 10:00:00 +0000 UTC\n"
      "  Series:\n    count: 7\n    lastObservedTime: \"2026-11-25T10:31:00Z\"\n"
      "- Type: Warning\n  FirstTimestamp: 2026-11-25T10:00:00Z\n"
      "  LastTimestamp: 2026-11-25T10:05:00Z\n  Count: 3\n");
  ASSERT_THAT(list.events, SizeIs(2));
  EXPECT_EQ(list.events[0].timestamp, ParseTimestamp("2026-11-25T10:31:00Z"));
  EXPECT_EQ(list.events[0].count, 7u);
  EXPECT_EQ(list.events[1].timestamp, ParseTimestamp("2026-11-25T10:05:00Z"));
  EXPECT_EQ(list.events[1].count, 3u);
}

TEST(EventList, OtherMembersAreSkipped) {
  const EventList list = ReadEventList(
      "- just text\n- [a, b]\n- Reason: R\n  Labels: {Reason: other, deep: [{Type: no}]}\n"
      "  Notes: |\n    Reason: other\n\n    - Reason: another\n"
      "  InvolvedObject: {Kind: Pod, Name: p, More: {Name: other}}\n  Type: Warning\n"
      "- Labels:\n  - Reason: x\n  Type: Warning\n  Reason: second\n");
  ASSERT_TRUE(list.is_list);
  ASSERT_THAT(list.events, SizeIs(2));
  EXPECT_EQ(list.events[0].reason, "R");
  EXPECT_EQ(list.events[0].object.name, "p");
  EXPECT_EQ(list.events[1].reason, "second");
  EXPECT_EQ(list.dropped, 0u);
}

TEST(EventList, EventsOfOtherTypesAreSkippedAndNotCounted) {
  const EventList list =
      ReadEventList("- {Reason: A, Type: Normal}\n- {Reason: B, Type: Warning}\n");
  ASSERT_THAT(list.events, SizeIs(1));
  EXPECT_EQ(list.events.front().reason, "B");
  EXPECT_EQ(list.dropped, 0u);
}

TEST(EventList, OneBrokenEntryDoesNotAffectTheOthers) {
  const EventList list = ReadEventList(
      "# events:\n- {Reason: A, Type: Warning}\n- {Reason: [\n- Reason: [}\n  Type: Warning\n"
      "- {Reason: B, Type: Warning}\n");
  ASSERT_TRUE(list.is_list);
  ASSERT_THAT(list.events, SizeIs(2));
  EXPECT_EQ(list.dropped, 2u);
}

TEST(EventList, ProseBehindTheListIsSkipped) {
  const EventList list = ReadEventList(std::string(kTwo) + "Total: 2 events\n---\n- x\n");
  ASSERT_THAT(list.events, SizeIs(2));
  EXPECT_EQ(list.events.back().type, "Warning");
  EXPECT_EQ(list.dropped, 0u);
}

// In each style of a scalar, with members behind the message that must be read all the same.
TEST(EventList, LongMessageIsCutAndTheRestOfItsEntryIsRead) {
  std::string lines;
  for (int i = 0; i < 8'000; ++i)
    lines += "    a line of eighty bytes, as Go folds them ... " + std::to_string(i) + "\n";
  const std::string long_line(300 << 10, 'm');
  std::string escapes;
  while (escapes.size() < (300u << 10)) escapes += "\\x07\\u20ac\\\\ ";
  std::string quotes;
  while (quotes.size() < (300u << 10)) quotes += "it''s ";
  std::string colons;
  while (colons.size() < (300u << 10)) colons += ":::#x ";
  for (const std::string& message :
       {"|-\n" + lines, ">\n" + lines, "\"" + long_line + "\"", "'" + quotes + "'",
        "\"" + escapes + "\"", long_line, "x" + colons, "\"\n" + lines + "    \""}) {
    EventList list = ReadEventList(
        "# events:\n- InvolvedObject:\n    Kind: Pod\n    Name: p\n  Message: " + message +
        "\n  Namespace: shop\n  Reason: R\n  Type: Warning\n"
        "- {Reason: S, Type: Warning}\n");
    const std::string style = message.substr(0, 20);
    ASSERT_TRUE(list.is_list) << style;
    ASSERT_THAT(list.events, SizeIs(2)) << style;
    ClusterEvent& event = list.events.front();
    EXPECT_LE(event.message.size(), kEagerMessage) << "until the whole is needed";
    CompleteMessage(event);
    EXPECT_EQ(event.reason, "R") << style;
    EXPECT_EQ(event.namespace_, "shop") << style;
    EXPECT_EQ(event.object.name, "p") << style;
    EXPECT_LE(event.message.size(), kMaxListedMessage) << style;
    EXPECT_TRUE(event.message.ends_with(kTruncationMarker)) << style;
    EXPECT_GT(event.message.size(), kMaxListedMessage / 8) << style;
    EXPECT_EQ(list.truncated, 1u) << style;
    EXPECT_EQ(list.dropped, 0u) << style;
  }
}

// Wherever the beginning of a message ends, also in the middle of an escape or of a line break.
TEST(EventList, EveryCutOfAMessageLeavesItsEntryReadable) {
  const std::string tail = "\n  Reason: R\n  Type: Warning\n";
  std::string folded, escapes, quotes, words;
  for (int i = 0; i < 200; ++i) {
    folded += "\n    line " + std::to_string(i);
    escapes += R"(\x07\u20ac\\\"\U0001F600)";
    quotes += "''it''''s";
    words += "a: \xE2\x82\xAC#b :c ";
  }
  for (std::size_t shift = 0; shift < 64; ++shift) {
    const std::string pad(shift + 1, 'p');
    for (const std::string& message :
         {"|-\n    " + pad + folded, ">\n    " + pad + folded, "\"" + pad + folded + "\"",
          "'" + pad + folded + "'", pad + folded, "\"" + pad + escapes + "\"",
          "'" + pad + quotes + "'", "'" + pad + words + "'"}) {
      EventList list = ReadEventList("- Message: " + message + tail);
      ASSERT_THAT(list.events, SizeIs(1)) << message.substr(0, 80) << " shifted by " << shift;
      EXPECT_EQ(list.events.front().reason, "R") << message.substr(0, 80);
      CompleteMessage(list.events.front());
      EXPECT_GT(list.events.front().message.size(), 1'000u) << message.substr(0, 80);
    }
  }
}

TEST(EventList, DepthIsBounded) {
  EXPECT_FALSE(ReadEventList("- " + std::string(10'000, '[')).is_list);
  std::string deep = "- Reason:";
  for (int i = 0; i < 10'000; ++i) deep += " -";
  EXPECT_FALSE(ReadEventList(deep + " x").is_list);
}

TEST(EventList, UnclosedBracketsAreDropped) {
  for (const char* piece : {"[", "{", "[\n", "a, ", "a: b, "}) {
    std::string text = "- {x: [";
    while (text.size() < (std::size_t{1} << 20)) text += piece;
    EXPECT_FALSE(ReadEventList(text).is_list) << piece;
  }
}

TEST(EventList, EntriesBeyondTheBoundAreCounted) {
  std::string many;
  for (std::size_t i = 0; i < kMaxListedEvents + 30'000; ++i) {
    many += "- Message: " + std::string(300, 'm') + "\n  Reason: R\n  Type: Warning\n";
  }
  const EventList list = ReadEventList(many);
  ASSERT_TRUE(list.is_list);
  EXPECT_THAT(list.events, SizeIs(kMaxListedEvents));
  EXPECT_EQ(list.dropped, 30'000u);
}

TEST(EventList, NormalEventsDoNotCountTowardsTheBound) {
  std::string many;
  for (std::size_t i = 0; i < kMaxListedEvents + 5'000; ++i) many += "- {Type: Normal}\n";
  const EventList list = ReadEventList(many + "- {Type: Warning}\n");
  EXPECT_THAT(list.events, SizeIs(1));
  EXPECT_EQ(list.dropped, 0u);
}

// 300 events of 76 KB.
TEST(EventList, LongMessageIsReadWholeOnDemand) {
  std::string many;
  const std::string message = std::string(76'000, 'm') + " the end";
  for (int i = 0; i < 300; ++i) {
    many += "- Message: |-\n    " + message + "\n  Reason: R\n  Type: Warning\n";
  }
  EventList list = ReadEventList(many);
  ASSERT_THAT(list.events, SizeIs(300));
  EXPECT_EQ(list.truncated, 0u);
  CompleteMessage(list.events.back());
  EXPECT_TRUE(list.events.back().message == message);
}

TEST(EventList, MessagesOfAListAreBoundedTogether) {
  std::string many;
  for (int i = 0; i < 300; ++i) {
    many += "- Message: " + std::string(200 << 10, 'm') + "\n  Reason: R\n  Type: Warning\n";
  }
  EventList list = ReadEventList(many);
  ASSERT_THAT(list.events, SizeIs(300));
  std::size_t bytes = 0;
  for (const ClusterEvent& event : list.events) {
    bytes += event.message.size() + event.message_source.size();
  }
  EXPECT_LE(bytes, kMaxListedMessages + 300 * kEagerMessage);
  EXPECT_GT(list.truncated, 100u);
  CompleteMessage(list.events.back());
  EXPECT_TRUE(list.events.back().message.ends_with(kTruncationMarker));
}

TEST(EventList, EntriesWithoutAnEventAreBounded) {
  std::string text;
  for (std::size_t i = 0; i < 100 * kMaxListedEvents; ++i) text += "- a\n";
  const EventList list = ReadEventList(text + "- {Reason: R, Type: Warning}\n");
  ASSERT_TRUE(list.is_list);
  EXPECT_THAT(list.events, SizeIs(1));
}

TEST(EventList, AliasesAreNotExpanded) {
  const EventList list = ReadEventList(
      "- &a {Reason: R, Type: Warning, InvolvedObject: {Kind: K, Name: N}}\n- *a\n"
      "- {Message: *a, Type: Warning}\n");
  ASSERT_TRUE(list.is_list);
  EXPECT_THAT(list.events, SizeIs(1)) << "an alias of another entry is unknown to its own";
}

TEST(EventList, OtherIndentationsAreRead) {
  for (const char* text :
       {"  - Reason: R\n    Type: Warning\n", "-\n    Reason: R\n    Type: Warning\n",
        "-   Reason: R\n    Type: Warning\n", "\xEF\xBB\xBF- Reason: R\r\n  Type: Warning\r\n",
        "- \"Reason\": R\n  'Type' : Warning\n", "[{Reason: R, Type: Warning}]"}) {
    const EventList list = ReadEventList(text);
    ASSERT_THAT(list.events, SizeIs(1)) << text;
    EXPECT_EQ(list.events.front().reason, "R") << text;
  }
}

TEST(EventList, EveryCutGivesTheSameList) {
  const std::string text =
      std::string(kTwo) + "- Message: \"a\\u20ac\n    folded\"\n  Type: Warning\n- {Reason: [\n";
  const EventList whole = ReadEventList(text);
  for (std::size_t i = 0; i <= text.size(); ++i) {
    EventListReader reader;
    reader.Put(std::string_view(text).substr(0, i));
    reader.Put(std::string_view(text).substr(i));
    const EventList cut = reader.Finish();
    ASSERT_EQ(cut.events.size(), whole.events.size()) << i;
    EXPECT_EQ(cut.events.back().message, whole.events.back().message) << i;
    EXPECT_EQ(cut.dropped, whole.dropped) << i;
  }
}

}  // namespace
}  // namespace runner::ingest
