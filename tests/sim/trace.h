#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner::sim {

// The story of one history, a line for each thing that happens. It is never kept: it is printed,
// hashed, or not even composed. Wall time is no part of it.
class Trace {
 public:
  enum class Mode { kOff, kHash, kPrint };

  explicit Trace(Mode mode) : mode_(mode) {}

  // `time` is that since the beginning. `compose` returns what happened; it is called only when
  // somebody reads it.
  template <typename Compose>
  void Line(Duration time, std::string_view actor, Compose compose) {
    if (mode_ == Mode::kOff) return;
    const std::string text = compose();
    char head[64];
    std::snprintf(head, sizeof head, "%6llu %12.6f  ", static_cast<unsigned long long>(step_),
                  ToSeconds(time));
    const std::string line = std::string(head) + std::string(actor) + "  " + text + "\n";
    for (const char c : line) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    if (mode_ == Mode::kPrint) std::fputs(line.c_str(), stdout);
  }
  void BeginStep() { ++step_; }

  std::uint64_t step() const { return step_; }
  std::uint64_t hash() const { return hash_; }

 private:
  const Mode mode_;
  std::uint64_t step_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace runner::sim
