#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace runner::ingest {

// What goes to a server and must not come back by way of what it says: an error text that repeats
// the token would stand in the log. Known by value. Bounded; not thread-safe.
class Secrets {
 public:
  // A shorter value is no secret, and masking it would blot out ordinary words.
  static constexpr std::size_t kShortest = 8;

  // A header's value or a token: also without the scheme before it ("Bearer ...").
  void Add(std::string_view value);
  // The values of the query of a URL.
  void AddQuery(std::string_view url);

  // With `***` in place of each of them.
  std::string Mask(std::string text) const;

 private:
  void AddWord(std::string_view word);

  std::deque<std::string> values_;  // the newest first: a token may be replaced again and again
};

}  // namespace runner::ingest
