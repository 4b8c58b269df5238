#include "common/logging.h"

#include <algorithm>
#include <ctime>

#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include "common/utf8.h"

namespace runner {
namespace {

std::string_view Word(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// As wide as the widest, so that messages line up.
std::string_view PaddedWord(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO ";
    case LogLevel::kWarn:
      return "WARN ";
    case LogLevel::kError:
      return "ERROR";
  }
  return "ERROR";
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// RFC 3339, UTC, milliseconds.
std::string FormatTime(WallTime time) {
  const auto whole = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(whole);
  const std::time_t unix_seconds = seconds.count();
  std::tm utc{};
  ::gmtime_r(&unix_seconds, &utc);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>((whole - seconds).count()));
  return std::string(date) + fraction;
}

bool NeedsQuotes(std::string_view value) {
  return value.empty() || std::any_of(value.begin(), value.end(), [](char c) {
           return c == ' ' || c == '"' || c == '=' || c == '\\' || c == ',' || c == '[' ||
                  c == ']' || static_cast<unsigned char>(c) < 0x20 ||
                  static_cast<unsigned char>(c) >= 0x7F;
         });
}

std::string TextOf(std::string_view value) {
  if (!NeedsQuotes(value)) return std::string(value);
  std::string quotable;
  for (const char c : value) {
    if (c == '"' || c == '\\') quotable += '\\';
    quotable += c;
  }
  return '"' + EscapeForTerminal(quotable) + '"';
}

struct TextOfValue {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return nlohmann::json(value).dump(); }
  std::string operator()(const std::string& value) const { return TextOf(value); }
  std::string operator()(const std::vector<std::string>& values) const {
    std::string out = "[";
    for (const std::string& value : values) {
      if (out.size() > 1) out += ',';
      out += TextOf(value);
    }
    return out + ']';
  }
};

}  // namespace

std::string FormatJsonLine(WallTime time, LogLevel level, std::string_view logger,
                           std::string_view message, const LogFields& fields) {
  nlohmann::ordered_json line;
  line["time"] = FormatTime(time);
  line["level"] = Word(level);
  line["msg"] = message;
  line["logger"] = logger;
  // emplace: a field never replaces one that is there.
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { line.emplace(field.key, value); }, field.value);
  }
  constexpr int kOneLine = -1;
  constexpr bool kAsciiOnly = true;  // no terminal and no reader sees another line end in it
  return line.dump(kOneLine, ' ', kAsciiOnly, nlohmann::ordered_json::error_handler_t::replace);
}

std::string FormatTextLine(WallTime time, LogLevel level, std::string_view logger,
                           std::string_view message, const LogFields& fields) {
  std::string line = FormatTime(time);
  line += ' ';
  line += PaddedWord(level);
  line += " [" + EscapeForTerminal(logger) + "] " + EscapeForTerminal(message);
  for (const LogField& field : fields) {
    line += ' ' + TextOf(field.key) + '=' + std::visit(TextOfValue{}, field.value);
  }
  return line;
}

Logger::Logger(LogLevel threshold, LogFormat format)
    : sink_(std::make_shared<spdlog::logger>("runner",
                                             std::make_shared<spdlog::sinks::stderr_sink_mt>())),
      format_(format) {
  if (format_ == LogFormat::kAuto) {
    format_ = ::isatty(STDERR_FILENO) == 1 ? LogFormat::kText : LogFormat::kJson;
  }
  sink_->set_pattern("%v");
  sink_->set_level(ToSpdlog(threshold));
}

Logger Logger::Named(std::string_view name) const {
  Logger copy = *this;
  copy.name_ = name;
  return copy;
}

void Logger::Log(LogLevel level, std::string_view message, const LogFields& fields) const {
  const auto spdlog_level = ToSpdlog(level);
  if (!sink_->should_log(spdlog_level)) return;
  try {
    const auto format = format_ == LogFormat::kText ? FormatTextLine : FormatJsonLine;
    const std::string line =
        format(std::chrono::system_clock::now(), level, name_, message, fields);
    sink_->log(spdlog_level, spdlog::string_view_t(line.data(), line.size()));
  } catch (...) {  // out of memory: the line is lost, the program goes on
  }
}

}  // namespace runner
