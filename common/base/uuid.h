#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner {

// Returns 64 uniformly random bits.
using RandomBits = std::function<std::uint64_t()>;

// Random bits from std::random_device (getrandom on Linux). Not thread-safe: use one for each
// thread.
RandomBits SystemRandomBits();

// Generates UUIDs of version 7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, a 12-bit
// counter that starts at a random value in every millisecond (section 6.2, method 1), and 62 random
// bits. The ids of one generator increase strictly in the order of the calls, also as text and also
// if the wall clock is set back. Reads no clock. Not thread-safe.
class UuidGenerator {
 public:
  explicit UuidGenerator(RandomBits random = SystemRandomBits());

  // 36 characters, lower case.
  std::string Next(WallTime now);

 private:
  RandomBits random_;
  std::uint64_t milliseconds_ = 0;
  std::uint32_t counter_ = 0;
};

// True if `text` has the form of a UUID of any version: 8-4-4-4-12 hexadecimal digits.
bool IsUuid(std::string_view text);

}  // namespace runner
