#include "ingest/mcp/protocol/sse_parser.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/sse_recorder.h"

namespace runner::ingest {
namespace {

using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<SseEvent> Events(std::string_view bytes) { return Parse({bytes}).events; }

std::vector<std::string> Data(std::string_view bytes, SseLimits limits = {}) {
  std::vector<std::string> data;
  for (const SseEvent& event : Parse({bytes}, limits).events) data.push_back(event.data);
  return data;
}

TEST(SseParser, BlankLineDispatchesWithEveryKindOfLineEnd) {
  EXPECT_THAT(Data("data: a\n\ndata: b\n\n"), ElementsAre("a", "b"));
  EXPECT_THAT(Data("data: a\r\rdata: b\r\r"), ElementsAre("a", "b"));
  EXPECT_THAT(Data("data: a\r\n\r\ndata: b\r\n\r\n"), ElementsAre("a", "b"));
  EXPECT_THAT(Data("data: a\r\n\rdata: b\n\r\n"), ElementsAre("a", "b"));
}

TEST(SseParser, LineFeedAfterCarriageReturnIsNoBlankLine) {
  EXPECT_THAT(Data("data: a\r\ndata: b\r\n\r\n"), ElementsAre("a\nb"));
  EXPECT_THAT(Data("data: a\n\rdata: b\n\r"), ElementsAre("a", "b"));
}

TEST(SseParser, LastCarriageReturnEndsTheLineAtOnce) {
  EXPECT_THAT(Data("data: a\r\r"), ElementsAre("a"));
}

TEST(SseParser, ChunkThatBeginsWithLineFeedBelongsToTheCarriageReturnBefore) {
  const SseRecord record = Parse({"data: a\r", "\ndata: b\r", "\n", "\r", "\n"});
  ASSERT_EQ(record.events.size(), 1u);
  EXPECT_EQ(record.events[0].data, "a\nb");
}

TEST(SseParser, OneByteOrderMarkIsIgnored) {
  EXPECT_THAT(Data("\xEF\xBB\xBF"
                   "data: a\n\n"),
              ElementsAre("a"));
  EXPECT_THAT(Data("\xEF\xBB\xBF\xEF\xBB\xBF"
                   "data: a\n\ndata: b\n\n"),
              ElementsAre("b"));
  EXPECT_THAT(Data("data: a\n\n\xEF\xBB\xBF"
                   "data: b\n\ndata: c\n\n"),
              ElementsAre("a", "c"));
}

TEST(SseParser, HalfAByteOrderMarkIsText) {
  EXPECT_THAT(Data("\xEF\xBB"
                   "data: a\n\ndata: b\n\n"),
              ElementsAre("b"));
  EXPECT_THAT(Data("\xEF\n\ndata: b\n\n"), ElementsAre("b"));
}

TEST(SseParser, CommentsAreCountedAndDispatchNothing) {
  const SseRecord record = Parse({":\n: data: a\n\n:x\ndata: b\n:y\n\n"});
  EXPECT_EQ(record.comments, 4u);
  EXPECT_THAT(record.events, ElementsAre(SseEvent{"", "b", ""}));
}

TEST(SseParser, OneSpaceAfterTheColonIsRemoved) {
  EXPECT_THAT(Data("data:a\n\ndata: b\n\ndata:  c\n\ndata:\td\n\n"),
              ElementsAre("a", "b", " c", "\td"));
}

TEST(SseParser, FieldNamesAreExact) {
  EXPECT_THAT(Data("data : a\n\n data: b\n\nDATA: c\n\ndat: d\n\ndataa: e\n\n"), IsEmpty());
}

TEST(SseParser, LineWithoutColonIsAFieldWithEmptyValue) {
  // The example of the standard: the last event is never finished.
  EXPECT_THAT(Data("data\n\ndata\ndata\n\ndata:"), ElementsAre("", "\n"));
}

TEST(SseParser, DataLinesJoinWithLineFeed) {
  EXPECT_THAT(Data("data: YHOO\ndata: +2\ndata: 10\n\n"), ElementsAre("YHOO\n+2\n10"));
  EXPECT_THAT(Data("data: a\ndata\ndata: b\n\n"), ElementsAre("a\n\nb"));
}

TEST(SseParser, BlankLineWithoutDataDispatchesNothingAndForgetsTheType) {
  EXPECT_THAT(Events("event: a\n\ndata: b\n\n"), ElementsAre(SseEvent{"", "b", ""}));
}

TEST(SseParser, LastEventFieldNamesTheType) {
  EXPECT_THAT(Events("event: a\nevent: b\ndata: x\n\ndata: y\n\n"),
              ElementsAre(SseEvent{"b", "x", ""}, SseEvent{"", "y", ""}));
}

TEST(SseParser, IdIsKeptUntilItIsReplaced) {
  EXPECT_THAT(Events("id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid\ndata: d\n\n"),
              ElementsAre(SseEvent{"", "a", "1"}, SseEvent{"", "b", "1"}, SseEvent{"", "c", "2"},
                          SseEvent{"", "d", ""}));
}

TEST(SseParser, IdWithNulIsIgnored) {
  EXPECT_THAT(Events("id: 1\nid: 2\0003\ndata: a\n\n"s), ElementsAre(SseEvent{"", "a", "1"}));
}

TEST(SseParser, IdOverItsLimitIsIgnored) {
  const std::string longest(4096, 'i');
  const std::string too_long(4097, 'i');
  const std::string megabyte((1 << 20) - 100, 'i');
  EXPECT_EQ(Parse({"id: " + longest + "\ndata: a\n\n"}).last_event_id, longest);
  for (const std::string& id : {too_long, megabyte}) {
    EXPECT_EQ(Parse({"id: 1\ndata: a\n\nid: " + id + "\ndata: b\n\n"}).last_event_id, "1");
    EXPECT_EQ(Parse({"id: " + id + std::string(1000, '\n')}).last_event_id, "");
  }
}

TEST(SseParser, DroppedEventFreesItsMemoryAndKeepsTheStream) {
  for (const char* begin : {"data: ", "event: ", "data: a\ndata: ", "other: "}) {
    std::vector<std::string> data;
    std::size_t oversize = 0;
    SseParser parser({.on_event = [&](const SseEvent& event) { data.push_back(event.data); },
                      .on_retry = [](std::chrono::milliseconds) {},
                      .on_oversize = [&] { ++oversize; }});
    parser.Put(begin);
    parser.Put(std::string(500'000, 'x'));
    EXPECT_GE(parser.buffered(), 500'000u);
    parser.DropEvent();
    EXPECT_LT(parser.buffered(), 1'000u);
    parser.Put("yyy\ndata: z\n\ndata: next\n\n");
    EXPECT_EQ(oversize, 1u) << begin;
    EXPECT_THAT(data, ElementsAre("next")) << begin;
    parser.DropEvent();  // between events there is none
    parser.Put("data: last\n\n");
    EXPECT_THAT(data, ElementsAre("next", "last"));
  }
}

TEST(SseParser, BlankLinesKeepTheId) {
  const SseRecord record = Parse({"id: 1\ndata: a\n\n" + std::string(1000, '\n') + "data: b\n\n"});
  EXPECT_THAT(record.events, ElementsAre(SseEvent{"", "a", "1"}, SseEvent{"", "b", "1"}));
}

TEST(SseParser, NulInDataIsData) { EXPECT_THAT(Data("data: a\0b\n\n"s), ElementsAre("a\0b"s)); }

TEST(SseParser, LastEventIdIsThatOfTheLastCompleteEvent) {
  EXPECT_EQ(Parse({"id: 1\ndata: a\n\nid: 2\ndata: unfinished\n"}).last_event_id, "1");
  EXPECT_EQ(Parse({"id: 1\ndata: a\n\nid: 2\n\n"}).last_event_id, "2");
}

TEST(SseParser, RetryIsReportedOnlyIfItIsAllDigits) {
  EXPECT_THAT(Parse({"retry: 1500\nretry\nretry:\nretry: 1x\nretry: -1\nretry: +1\n"
                     "retry:  7\nretry: 1.5\nretry:0\nretry: 007\n"})
                  .retries,
              ElementsAre(1500, 0, 7));
}

TEST(SseParser, RetryBeyondAnyNumberIsTheLargest) {
  EXPECT_THAT(Parse({"retry: 99999999999999999999999999\n"}).retries,
              ElementsAre(std::numeric_limits<std::int64_t>::max()));
}

TEST(SseParser, UnfinishedEventAtTheEndIsDropped) {
  EXPECT_THAT(Data("data: a\n\ndata: b"), ElementsAre("a"));
  EXPECT_THAT(Data("data: a\n\ndata: b\n"), ElementsAre("a"));
  EXPECT_THAT(Data("data: a\r\rdata: b\r"), ElementsAre("a"));
}

TEST(SseParser, BytesOfTheTextPassUnchanged) {
  EXPECT_THAT(Data("data: \xC3\xA9 \xF0\x9F\x9A\x80 \xE2\x80\xA8 \xC2\x85 \xFF\n\n"),
              ElementsAre("\xC3\xA9 \xF0\x9F\x9A\x80 \xE2\x80\xA8 \xC2\x85 \xFF"));
}

// --- limits ---------------------------------------------------------------------------------

TEST(SseParserLimits, LineAtItsLimitPassesAndOneByteMoreIsDropped) {
  const SseLimits limits{.max_line = 10, .max_event = 100};
  EXPECT_THAT(Data("data: 1234\n\n", limits), ElementsAre("1234"));
  const SseRecord record = Parse({"data: 12345\n\ndata: ok\n\n"}, limits);
  EXPECT_EQ(record.oversize, 1u);
  EXPECT_THAT(record.events, ElementsAre(SseEvent{"", "ok", ""}));
}

TEST(SseParserLimits, DataAtItsLimitPassesAndOneByteMoreIsDropped) {
  const SseLimits limits{.max_line = 100, .max_event = 6};
  EXPECT_THAT(Data("data: 12\ndata: 456\n\n", limits), ElementsAre("12\n456"));
  EXPECT_THAT(Data("data: 12\ndata: 4567\n\n", limits), IsEmpty());
  EXPECT_THAT(Data("data: 1234567\n\n", limits), IsEmpty());
  EXPECT_THAT(Data("data: 123456\n\n", limits), ElementsAre("123456"));
}

TEST(SseParserLimits, EventOverTheLimitIsDroppedOnceAndTheNextIsWhole) {
  const SseLimits limits{.max_line = 20, .max_event = 30};
  const SseRecord record =
      Parse({"id: 5\nevent: big\ndata: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\ndata: b\ndata: "
             "cccccccccccccccccccccccccccccc\n\ndata: next\n\n"},
            limits);
  EXPECT_EQ(record.oversize, 1u);
  EXPECT_THAT(record.events, ElementsAre(SseEvent{"", "next", "5"}));
}

TEST(SseParserLimits, ManySmallLinesOverTheEventLimitAreDropped) {
  const SseLimits limits{.max_line = 20, .max_event = 30};
  std::string stream;
  for (int i = 0; i < 1000; ++i) stream += "data: xxxx\n";
  const SseRecord record = Parse({stream, "\ndata: next\n\n"}, limits);
  EXPECT_EQ(record.oversize, 1u);
  EXPECT_THAT(record.events, ElementsAre(SseEvent{"", "next", ""}));
}

TEST(SseParserLimits, EndlessLineIsSkippedToItsEnd) {
  const SseLimits limits{.max_line = 16, .max_event = 64};
  std::vector<std::string_view> chunks(10'000, "data: xxxxxxxxxx");
  chunks.push_back("\n\ndata: next\n\n");
  const SseRecord record = Parse(chunks, limits);
  EXPECT_EQ(record.oversize, 1u);
  EXPECT_THAT(record.events, ElementsAre(SseEvent{"", "next", ""}));
}

}  // namespace
}  // namespace runner::ingest
