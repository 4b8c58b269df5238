#include "common/base/utf8.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(Utf8Test, KeepsValidText) {
  EXPECT_EQ(SanitizeUtf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
            "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(Utf8Test, ReplacesOverlongFormsSurrogatesAndCutCharacters) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(SanitizeUtf8("\xC0\x80"), bad + bad);
  EXPECT_EQ(SanitizeUtf8("\xED\xA0\x80"), bad + bad + bad);
  EXPECT_EQ(SanitizeUtf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);
  EXPECT_EQ(SanitizeUtf8("a\xE2\x82"), "a" + bad + bad);
  EXPECT_EQ(SanitizeUtf8("\xFF!"), bad + "!");
}

TEST(Utf8Test, TruncatesWithinTheBoundAndNeverInsideACharacter) {
  const std::string euros = "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC";
  EXPECT_EQ(TruncateUtf8(euros, euros.size()), euros);
  for (std::size_t bound = 0; bound < euros.size(); ++bound) {
    const std::string cut = TruncateUtf8(euros, bound, "~");
    EXPECT_LE(cut.size(), bound);
    EXPECT_EQ(SanitizeUtf8(cut), cut);
    EXPECT_EQ(cut.ends_with('~'), bound > 0);
  }
}

TEST(Utf8Test, OmitsAMarkerThatDoesNotFit) { EXPECT_EQ(TruncateUtf8("abcdef", 3), "abc"); }

TEST(Utf8Test, EscapesCharactersThatMoveOrHideText) {
  EXPECT_EQ(EscapeForTerminal("a\n\r\t\x1b[2J\x7f"), "a\\n\\r\\t\\x1B[2J\\x7F");
  EXPECT_EQ(EscapeForTerminal("\xE2\x80\xAE\xE2\x80\x8B\xE2\x80\xA8\xC2\x85\xEF\xBB\xBF"),
            "\\u{202E}\\u{200B}\\u{2028}\\u{0085}\\u{FEFF}");
  EXPECT_EQ(EscapeForTerminal("\xFF\xC3\xA9"), "\\xFF\xC3\xA9");
}

}  // namespace
}  // namespace runner
