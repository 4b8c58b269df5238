#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace runner::ingest {

// Masks what was sent to a server and must not be logged: a server may repeat the token in an error
// text. Secrets are recognised by their value. Bounded; not thread-safe.
class Secrets {
 public:
  // Bytes. A shorter value is not masked: it would hide ordinary words.
  static constexpr std::size_t kShortest = 8;

  // The value of a header, with and without its scheme ("Basic ...").
  void AddHeader(std::string_view value);
  // The values of the query of a URL, still encoded.
  void AddQuery(std::string_view url);
  // A bounded number is kept, the latest.
  void AddToken(std::string_view token);
  void AddCookie(std::string_view value);

  // Replaces each secret by `***`, also one whose end a truncation marker replaces.
  std::string Mask(std::string text) const;
  // The same for a text that may end in the middle of a secret.
  std::string MaskCut(std::string text) const;

 private:
  std::string MaskEnd(std::string text) const;
  std::vector<std::string_view> LongestFirst() const;

  std::vector<std::string> lasting_;
  std::deque<std::string> tokens_;   // the newest first
  std::deque<std::string> cookies_;  // the newest first
};

}  // namespace runner::ingest
