#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace runner::ingest {

// What goes to a server and must not come back by way of what it says: an error text that repeats
// the token would stand in the log. Known by value. Bounded; not thread-safe.
class Secrets {
 public:
  // A shorter value is no secret, and masking it would blot out ordinary words.
  static constexpr std::size_t kShortest = 8;

  // The value of a header: also without the scheme before it ("Basic ...").
  void AddHeader(std::string_view value);
  // The values of the query of a URL, as they stand there.
  void AddQuery(std::string_view url);
  // A token or a cookie may be replaced again and again: the latest ones are kept.
  void AddToken(std::string_view token);
  void AddCookie(std::string_view value);

  // With `***` in place of each of them, also of one whose end a truncation marker replaces.
  std::string Mask(std::string text) const;
  // The same of a text that may have been cut off in the middle of one.
  std::string MaskCut(std::string text) const;

 private:
  std::string MaskEnd(std::string text) const;
  std::vector<std::string_view> LongestFirst() const;

  std::vector<std::string> lasting_;
  std::deque<std::string> tokens_;   // the newest first
  std::deque<std::string> cookies_;  // the newest first
};

}  // namespace runner::ingest
