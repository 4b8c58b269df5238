#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "executor/workspace/retention.h"

namespace runner::executor {

// What an executor is to ingest. Fixed for the life of the process.
struct ExecutorOptions {
  std::string executor_id;
  std::uint32_t slots = 5;
  bool sidecar = true;
  std::string ingest_address;  // host:port or unix:/path
  Duration kill_grace = std::chrono::seconds(5);
  RetentionLimits retention;
};

}  // namespace runner::executor
