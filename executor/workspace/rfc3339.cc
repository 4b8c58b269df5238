#include "executor/workspace/rfc3339.h"

#include <chrono>
#include <cstdio>

#include <time.h>

namespace runner::executor {

std::string FormatRfc3339(WallTime time) {
  using std::chrono::floor;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const auto whole = floor<seconds>(time);
  const auto ms = (floor<milliseconds>(time) - whole).count();
  const std::time_t since_epoch = std::chrono::system_clock::to_time_t(whole);
  std::tm utc{};
  ::gmtime_r(&since_epoch, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(ms));
  return text;
}

}  // namespace runner::executor
