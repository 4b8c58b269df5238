// The parse must not depend on how the bytes were cut into chunks.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/unit/ingest/mcp/protocol/sse_corpus.h"
#include "tests/unit/ingest/mcp/protocol/sse_recorder.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kSmall = 120;  // bytes up to which all pairs of cuts are tried
// The small limits cut into events of the corpus, too.
constexpr SseLimits kSmallLimits{.max_line = 12, .max_event = 9};

// Cuts at every point, at every pair of points when the text is small, and everywhere at once.
void ExpectSameForEveryCut(std::string_view bytes, SseLimits limits) {
  const SseRecord whole = Parse({bytes}, limits);
  for (std::size_t i = 0; i <= bytes.size(); ++i) {
    ASSERT_EQ(Parse({bytes.substr(0, i), bytes.substr(i)}, limits), whole) << "cut at " << i;
  }
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
  ASSERT_EQ(Parse(single, limits), whole) << "byte by byte";
  const SseRecord pieces = ParseInPieces({bytes}, limits);
  ASSERT_EQ(ParseInPieces(single, limits), pieces) << "data in pieces, byte by byte";
  if (limits.max_line == SseLimits{}.max_line) {
    ASSERT_EQ(pieces, whole) << "data in pieces";
  }
  if (bytes.size() > kSmall) return;
  for (std::size_t i = 0; i <= bytes.size(); ++i) {
    for (std::size_t j = i; j <= bytes.size(); ++j) {
      ASSERT_EQ(Parse({bytes.substr(0, i), bytes.substr(i, j - i), bytes.substr(j)}, limits), whole)
          << "cuts at " << i << " and " << j;
    }
  }
}

TEST(SseSplit, CorpusIsComplete) { EXPECT_GE(SseCorpusFiles().size(), 60u); }

TEST(SseSplit, EveryCutOfEveryFileGivesTheSameEvents) {
  for (const auto& path : SseCorpusFiles()) {
    SCOPED_TRACE(path.filename());
    ExpectSameForEveryCut(ReadBytes(path), {});
  }
}

TEST(SseSplit, EveryCutGivesTheSameEventsOverTheLimits) {
  for (const auto& path : SseCorpusFiles()) {
    SCOPED_TRACE(path.filename());
    ExpectSameForEveryCut(ReadBytes(path), kSmallLimits);
  }
}

TEST(SseSplit, RandomBytesCutAnywhereGiveTheSameEvents) {
  const bool holds = rc::check("random streams of telling pieces", [] {
    const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "\r", "\n", "\r\n", "data", "data:", "id:", "event:", "retry:", ":", " ", "1", "x",
        "\xEF\xBB\xBF", "\xEF", "\xBB", std::string(1, '\0'), "\xC3\xA9", "long text here"));
    std::string bytes;
    for (const std::string& piece : pieces) bytes += piece;
    auto cuts = *rc::gen::container<std::vector<std::size_t>>(
        rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
    std::sort(cuts.begin(), cuts.end());
    std::vector<std::string_view> chunks;
    std::size_t from = 0;
    for (const std::size_t cut : cuts) {
      chunks.push_back(std::string_view(bytes).substr(from, cut - from));
      from = cut;
    }
    chunks.push_back(std::string_view(bytes).substr(from));
    RC_ASSERT(Parse(chunks) == Parse({bytes}));
    RC_ASSERT(Parse(chunks, kSmallLimits) == Parse({bytes}, kSmallLimits));
    RC_ASSERT(ParseInPieces(chunks) == Parse({bytes}));
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace runner::ingest
