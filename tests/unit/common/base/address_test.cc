#include "common/base/address.h"

#include <string_view>

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(AddressTest, ReadsHostAndPort) {
  const auto address = ParseAddress("event-runner:50051");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->host, "event-runner");
  EXPECT_EQ(address->port, 50051);
  EXPECT_FALSE(address->IsLocal());
}

TEST(AddressTest, ReadsUnixSocketsInBothForms) {
  EXPECT_EQ(ParseAddress("unix:/run/x.sock")->unix_path, "/run/x.sock");
  EXPECT_EQ(ParseAddress("unix:///run/x.sock")->unix_path, "/run/x.sock");
}

TEST(AddressTest, LoopbackAndSocketsAreLocal) {
  for (const char* text : {"localhost:1", "127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "unix:/x"}) {
    EXPECT_TRUE(ParseAddress(text)->IsLocal()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.evil.example:1"}) {
    EXPECT_FALSE(ParseAddress(text)->IsLocal()) << text;
  }
}

TEST(AddressTest, RejectsTextBehindANul) {
  using std::string_view_literals::operator""sv;
  for (const auto text : {"[::1\0x]:1"sv, "127.0.0.1\0x:1"sv, "unix:/x\0y"sv, "host:1\0"sv}) {
    EXPECT_FALSE(ParseAddress(text)) << text;
  }
}

TEST(AddressTest, RejectsInvalidAddresses) {
  for (const char* text :
       {"", ":", ":1", "host", "host:", "host:65536", "host:-1", "host:1x", "1.2.3:1", "::1:1",
        "[::1]", "[host]:1", "unix:", "unix:relative", "a b:1", "http://host:1"}) {
    EXPECT_FALSE(ParseAddress(text)) << text;
  }
}

}  // namespace
}  // namespace runner
