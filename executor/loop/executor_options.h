#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "executor/workspace/retention.h"

namespace runner::executor {

// How an executor presents itself to ingest. Constant while the process runs.
struct ExecutorOptions {
  std::string executor_id;
  std::uint32_t slots = 5;
  bool sidecar = true;
  std::string ingest_address;  // host:port or unix:/path
  Duration kill_grace = std::chrono::seconds(5);
  RetentionLimits retention;
};

}  // namespace runner::executor
