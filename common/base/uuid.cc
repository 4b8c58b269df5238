#include "common/base/uuid.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <random>
#include <utility>

namespace runner {
namespace {

constexpr std::uint32_t kCounterMax = 0xFFF;
// The counter starts with its top bit clear, so that it can count up within one millisecond.
constexpr std::uint32_t kCounterSeedMask = 0x7FF;

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

RandomBits SystemRandomBits() {
  auto device = std::make_shared<std::random_device>();
  return [device] { return (std::uint64_t{(*device)()} << 32) | (*device)(); };
}

UuidGenerator::UuidGenerator(RandomBits random) : random_(std::move(random)) {}

std::string UuidGenerator::Next(WallTime now) {
  const auto since_epoch = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
  const auto wall = static_cast<std::uint64_t>(std::max<std::int64_t>(0, since_epoch.count()));
  if (wall > milliseconds_) {
    milliseconds_ = wall;
    counter_ = static_cast<std::uint32_t>(random_()) & kCounterSeedMask;
  } else if (++counter_ > kCounterMax) {
    ++milliseconds_;
    counter_ = static_cast<std::uint32_t>(random_()) & kCounterSeedMask;
  }
  const std::uint64_t tail = random_();
  const auto variant_and_high = static_cast<unsigned>(0x8000u | ((tail >> 48) & 0x3FFFu));
  char text[37];
  std::snprintf(text, sizeof text, "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx32 "-%04x-%012" PRIx64,
                (milliseconds_ >> 16) & 0xFFFFFFFFu, milliseconds_ & 0xFFFFu, counter_,
                variant_and_high, tail & 0xFFFFFFFFFFFFu);
  return text;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !IsHexDigit(text[i])) return false;
  }
  return true;
}

}  // namespace runner
