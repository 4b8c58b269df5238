#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner::sim {

// The trace of one history, one line for each action. It is printed, hashed, or not composed at
// all. Wall time is not part of it.
class Trace {
 public:
  enum class Mode { kOff, kHash, kPrint };

  explicit Trace(Mode mode) : mode_(mode) {}

  // `time` is the time since the start. `compose` returns the text; it is not called in mode kOff.
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
