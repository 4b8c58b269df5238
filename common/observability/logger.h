#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/clock.h"

namespace runner {

class LogQueue;

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kAuto, kJson, kText };  // kAuto: text if stderr is a terminal, else JSON

// One named value of a log line. Values may contain any bytes: they are escaped when written.
struct LogField {
  using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

  LogField(std::string_view k, bool v) : key(k), value(v) {}
  template <std::integral T>
  LogField(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
  LogField(std::string_view k, double v) : key(k), value(v) {}
  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  LogField(std::string_view k, std::string_view v) : key(k), value(std::string(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
  LogField(std::string_view k, std::vector<std::string> v) : key(k), value(std::move(v)) {}
  // Seconds.
  LogField(std::string_view k, Duration v) : key(k), value(ToSeconds(v)) {}

  std::string key;
  Value value;
};

using LogFields = std::vector<LogField>;

// Renders one line without its line end. Exposed for tests.
std::string FormatJsonLine(WallTime time, LogLevel level, std::string_view logger,
                           std::string_view message, const LogFields& fields);
std::string FormatTextLine(WallTime time, LogLevel level, std::string_view logger,
                           std::string_view message, const LogFields& fields);

// Writes one line for each log call to stderr, through a LogQueue: no caller waits for the reader
// of stderr. Cheap to copy; copies share the queue, and the destructor of the last one waits until
// all lines are written (LogQueue::~LogQueue). Thread-safe. Never throws: a line that cannot be
// written is dropped and counted; out of memory, it is dropped uncounted.
class Logger {
 public:
  // A logger that writes nothing.
  Logger() = default;
  // Throws std::system_error if the thread cannot be started.
  Logger(LogLevel threshold, LogFormat format);

  // Returns a logger with the same queue and another name (the `logger` field).
  Logger Named(std::string_view name) const;

  void Debug(std::string_view message, const LogFields& fields = {}) const {
    Log(LogLevel::kDebug, message, fields);
  }
  void Info(std::string_view message, const LogFields& fields = {}) const {
    Log(LogLevel::kInfo, message, fields);
  }
  void Warn(std::string_view message, const LogFields& fields = {}) const {
    Log(LogLevel::kWarn, message, fields);
  }
  void Error(std::string_view message, const LogFields& fields = {}) const {
    Log(LogLevel::kError, message, fields);
  }
  void Log(LogLevel level, std::string_view message, const LogFields& fields) const;

  // Returns when all lines are written, or have not been read for a second. Call it at the end of
  // the program, since gRPC may still keep copies of this logger.
  void Flush() const;

  // Lines dropped by this logger and all that share its queue.
  std::uint64_t lines_dropped() const;

 private:
  LogLevel threshold_ = LogLevel::kDebug;
  LogFormat format_ = LogFormat::kJson;
  std::shared_ptr<LogQueue> queue_;  // null: nothing is written
  std::string name_ = "main";
};

}  // namespace runner
