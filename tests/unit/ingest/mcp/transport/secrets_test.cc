#include "ingest/mcp/transport/secrets.h"

#include <string>

#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

TEST(SecretsTest, SecretsAreMaskedAnywhereInAText) {
  Secrets secrets;
  secrets.AddToken("0123456789");
  EXPECT_EQ(secrets.Mask("0123456789 and 01234567890123456789, 012345678"),
            "*** and ******, 012345678");
  EXPECT_EQ(secrets.Mask(""), "");
}

TEST(SecretsTest, HeaderIsMaskedWithAndWithoutItsScheme) {
  Secrets secrets;
  secrets.AddHeader("Bearer abcdefgh");
  EXPECT_EQ(secrets.Mask("Authorization: Bearer abcdefgh"), "Authorization: ***");
  EXPECT_EQ(secrets.Mask("token abcdefgh has expired"), "token *** has expired");
}

TEST(SecretsTest, ValuesOfAQueryAreMasked) {
  Secrets secrets;
  secrets.AddQuery("http://host/mcp?key=hunter2hunter2&x=1&bare-secret#fragment");
  EXPECT_EQ(secrets.Mask("hunter2hunter2 x bare-secret"), "*** x ***");
  secrets.AddQuery("http://host/mcp");
  EXPECT_EQ(secrets.Mask("http://host/mcp"), "http://host/mcp");
}

TEST(SecretsTest, ShortValueIsNotMasked) {
  Secrets secrets;
  secrets.AddHeader("sre");
  EXPECT_EQ(secrets.Mask("sre"), "sre");
}

TEST(SecretsTest, SecretThatContainsAnotherIsMaskedWhole) {
  Secrets secrets;
  secrets.AddHeader("prefix-of");
  secrets.AddHeader("prefix-of-a-longer-one");
  secrets.AddToken("prefix-o");
  EXPECT_EQ(secrets.Mask("prefix-of-a-longer-one, prefix-of"), "***, ***");
}

TEST(SecretsTest, ManyTokensPushOutTheOldestAndNothingElse) {
  Secrets secrets;
  secrets.AddHeader("of-the-header");
  for (int i = 0; i < 1000; ++i) secrets.AddToken("token-" + std::to_string(100'000 + i));
  EXPECT_EQ(secrets.Mask("token-100999 of-the-header"), "*** ***");
  EXPECT_EQ(secrets.Mask("token-100000"), "token-100000");
}

TEST(SecretsTest, SecretCutOffAtTheEndIsMasked) {
  Secrets secrets;
  secrets.AddToken("of-the-token-1");
  EXPECT_EQ(secrets.MaskCut("bad of-the-t"), "bad ***");
  EXPECT_EQ(secrets.MaskCut("bad of-the-token-1"), "bad ***");
  EXPECT_EQ(secrets.MaskCut("bad of-the"), "bad of-the") << "too short to be one";
  EXPECT_EQ(secrets.MaskCut("of-the-token-1 of-the-toke"), "*** ***");
  EXPECT_EQ(secrets.MaskCut(""), "");
}

TEST(SecretsTest, ManyCookiesPushOutTheOldestAndNothingElse) {
  Secrets secrets;
  secrets.AddToken("of-the-token-1");
  for (int i = 0; i < 100; ++i) secrets.AddCookie("cookie-number-" + std::to_string(100 + i));
  EXPECT_EQ(secrets.Mask("cookie-number-100 cookie-number-199 of-the-token-1"),
            "cookie-number-100 *** ***");
}

}  // namespace
}  // namespace runner::ingest
