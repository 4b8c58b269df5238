#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace runner::ingest {

// Makes event streams out of what the grammar of WHATWG HTML (section 9.2.5) is made of and what
// breaks it: mostly lines of known fields, in any order and with any line end, among stray pieces.
class StreamGenerator {
 public:
  using Random = std::mt19937_64;

  explicit StreamGenerator(std::uint64_t seed) : random_(seed) {}

  std::string Next();
  // Uniform in [0, bound).
  std::size_t Below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

 private:
  std::string Line();
  std::string Value();
  std::string Piece();

  Random random_;
};

}  // namespace runner::ingest
