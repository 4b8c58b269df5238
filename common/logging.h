#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/clock.h"

namespace spdlog {
class logger;
}

namespace runner {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kAuto, kJson, kText };  // auto: text when stderr is a terminal

// One named value of a log line. Values may hold any bytes: they are escaped when written.
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

// Renders one line without its end. Exposed for tests.
std::string FormatJsonLine(WallTime time, LogLevel level, std::string_view logger,
                           std::string_view message, const LogFields& fields);
std::string FormatTextLine(WallTime time, LogLevel level, std::string_view logger,
                           std::string_view message, const LogFields& fields);

// Writes one line for each event to stderr. Cheap to copy; copies share the sink. Thread-safe.
// Never throws: a log line that cannot be written is lost.
class Logger {
 public:
  Logger(LogLevel threshold, LogFormat format);

  // The same sink under another name (the `logger` field).
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

 private:
  std::shared_ptr<spdlog::logger> sink_;
  LogFormat format_;
  std::string name_ = "main";
};

}  // namespace runner
