#include "ingest/mcp/protocol/reply_reader.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck.h>

namespace runner::ingest {
namespace {

using nlohmann::json;
using ::testing::SizeIs;

constexpr std::size_t kMaxRest = std::size_t{1} << 20;

// The output of the extractor for one message.
struct Extracted {
  std::string text;
  std::string rest;
  bool overflow = false;

  bool operator==(const Extracted&) const = default;
};

Extracted Extract(const std::vector<std::string_view>& chunks, std::size_t max_rest = kMaxRest) {
  Extracted extracted;
  ToolTextExtractor extractor([&](std::string_view text) { extracted.text.append(text); },
                              max_rest);
  for (const std::string_view chunk : chunks) extractor.Put(chunk);
  extracted.overflow = extractor.overflow();
  extracted.rest = extractor.Take();
  return extracted;
}

std::string Answer(const std::string& text) {
  return json{{"jsonrpc", "2.0"},
              {"id", 7},
              {"result", {{"content", {{{"type", "text"}, {"text", text}}}}, {"isError", false}}}}
      .dump();
}

TEST(ToolTextExtractor, TextGoesToTheSinkUnescaped) {
  const std::string text = "a\n\t\"b\" \\ / \b\f\r \x01 € 😀 \u2028";
  for (const bool ascii : {false, true}) {
    const std::string message =
        json{{"result", {{"content", {{{"text", text}}}}}}}.dump(-1, ' ', ascii);
    EXPECT_EQ(Extract({message}).text, text + "\n");
    EXPECT_EQ(json::parse(Extract({message}).rest), json::parse(message)) << "short texts stay";
  }
}

TEST(ToolTextExtractor, LoneSurrogatesAreReplaced) {
  const auto text = [](const std::string& escaped) {
    return Extract({R"({"result":{"content":[{"text":")" + escaped + R"("}]}})"}).text;
  };
  EXPECT_EQ(text(R"(\ud83dx)"), "\xEF\xBF\xBDx\n");
  EXPECT_EQ(text(R"(\ude00)"), "\xEF\xBF\xBD\n");
  EXPECT_EQ(text(R"(\ud83d)"), "\xEF\xBF\xBD\n");
  EXPECT_EQ(text(R"(\ud83d\ud83d\ude00)"), "\xEF\xBF\xBD\xF0\x9F\x98\x80\n");
  EXPECT_EQ(text(R"(\ud83d\n\ude00)"), "\xEF\xBF\xBD\n\xEF\xBF\xBD\n");
}

TEST(ToolTextExtractor, LongTextIsCutInTheRestAndWholeInTheSink) {
  for (const std::string piece : {"m", "€", "\n", "\x01", "\\", "😀"}) {
    std::string text;
    while (text.size() < 3 * ToolTextExtractor::kMaxTextInRest) text += piece;
    const Extracted extracted = Extract({Answer(text)});
    EXPECT_EQ(extracted.text, text + "\n");
    const json rest = json::parse(extracted.rest, nullptr, false);
    ASSERT_FALSE(rest.is_discarded()) << piece;
    EXPECT_EQ(rest["id"], 7);
    const std::string kept = rest["result"]["content"][0]["text"];
    EXPECT_LE(kept.size(), ToolTextExtractor::kMaxTextInRest);
    EXPECT_TRUE(text.starts_with(kept));
  }
}

// A pair of surrogates that is cut in two is no JSON.
TEST(ToolTextExtractor, SurrogatePairIsNeverCut) {
  for (std::size_t before = 0; before < 24; ++before) {
    const std::string pad(ToolTextExtractor::kMaxTextInRest - before, 'p');
    const Extracted extracted = Extract(
        {R"({"result":{"content":[{"text":")" + pad + R"(\ud83d\ude00\ud83d\ude00 end"}]}})"});
    EXPECT_TRUE(extracted.text == pad + "\xF0\x9F\x98\x80\xF0\x9F\x98\x80 end\n");
    ASSERT_FALSE(json::parse(extracted.rest, nullptr, false).is_discarded()) << before;
  }
}

TEST(ToolTextExtractor, OnlyTextsOfAToolResultAreExtracted) {
  for (const char* message :
       {R"({"params":{"content":[{"text":"no"}]}})", R"({"result":{"text":"no"}})",
        R"({"result":{"content":{"text":"no"}}})", R"([{"result":{"content":[{"text":"no"}]}}])",
        R"({"result":{"content":[{"resource":{"text":"no"}}]}})",
        R"({"result":{"content":[{"type":"text"}]}})", R"({"result":{"content":["text","no"]}})",
        R"({"result":{"a":{"content":[{"text":"no"}]}}})"}) {
    const Extracted extracted = Extract({message});
    EXPECT_EQ(extracted.text, "") << message;
    EXPECT_EQ(extracted.rest, message);
  }
}

TEST(ToolTextExtractor, StructuredContentIsSkipped) {
  for (const char* value :
       {R"({"a":[1,"}"],"b":"\"]"})", R"([[],{}])", R"("x,\\")", "12", "null", "true", "{}"}) {
    const std::string head = R"({"result":{"structuredContent" : )";
    for (const std::string tail :
         {R"(, "content":[{"text":"t"}],"isError":true},"id":1})", R"(},"id":1})"}) {
      const Extracted extracted = Extract({head + value + tail});
      const json rest = json::parse(extracted.rest, nullptr, false);
      ASSERT_FALSE(rest.is_discarded()) << value << " leaves " << extracted.rest;
      EXPECT_TRUE(rest["result"]["structuredContent"].is_null());
      EXPECT_EQ(rest["id"], 1);
      EXPECT_EQ(extracted.text, rest["result"].contains("content") ? "t\n" : "");
    }
  }
}

TEST(ToolTextExtractor, RestIsBounded) {
  const Extracted extracted =
      Extract({R"({"error":{"message":")" + std::string(5'000, 'm') + R"("}})"}, 4'096);
  EXPECT_TRUE(extracted.overflow);
  EXPECT_EQ(extracted.rest, "");
}

TEST(ToolTextExtractor, EveryCutOfAMessageGivesTheSameTexts) {
  const bool holds = rc::check("random messages of telling pieces", [] {
    const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "{", "}", "[", "]", ":", ",", "\"", "\\", "\\\"", "\\u00e9", "\\ud83d", "\\ude00", " ",
        "\"result\":", "{\"result\":{\"content\":[{\"text\":\"", "\"content\":", "\"text\":\"",
        "\"structuredContent\":", "x", "€", "1"));
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
    RC_ASSERT(Extract(chunks) == Extract({bytes}));
  });
  EXPECT_TRUE(holds);
}

TEST(ReplyReader, ListIsReadWhileItsMessageArrives) {
  ReplyReader reader(kMaxRest);
  std::string list = "# The following events (YAML format) were found:\n";
  for (int i = 0; i < 12'000; ++i) {
    list += "- Message: " + std::string(1'800, 'm') + "\n  Reason: R\n  Type: Warning\n";
  }
  const std::string message = Answer(list);
  ASSERT_GT(message.size(), std::size_t{20} << 20);
  for (std::string_view left = message; !left.empty();) {
    const std::size_t piece = std::min<std::size_t>(left.size(), 65'537);
    reader.Put(left.substr(0, piece));
    left.remove_prefix(piece);
  }
  const ReplyReader::Reply reply = reader.Take();
  EXPECT_FALSE(reply.oversize);
  EXPECT_LT(reply.json.size(), 2 * ToolTextExtractor::kMaxTextInRest);
  ASSERT_TRUE(reply.listed);
  EXPECT_TRUE(reply.listed->is_list);
  EXPECT_THAT(reply.listed->events, SizeIs(kMaxListedEvents));
  EXPECT_EQ(reply.listed->dropped, 2'000u);
}

TEST(ReplyReader, EachMessageHasItsOwnList) {
  ReplyReader reader(kMaxRest);
  reader.Put(Answer("- {Type: Warning}\n"));
  EXPECT_THAT(reader.Take().listed->events, SizeIs(1));
  reader.Put(R"({"jsonrpc":"2.0","method":"ping","id":1})");
  const ReplyReader::Reply plain = reader.Take();
  EXPECT_FALSE(plain.listed);
  EXPECT_EQ(plain.json, R"({"jsonrpc":"2.0","method":"ping","id":1})");
  reader.Put(Answer("- {Type: Warning}\n"));
  EXPECT_THAT(reader.Take().listed->events, SizeIs(1));
}

}  // namespace
}  // namespace runner::ingest
