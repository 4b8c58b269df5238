#include "common/observability/logger.h"

#include <algorithm>
#include <ctime>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "common/base/utf8.h"
#include "common/observability/log_queue.h"

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

// Padded to the widest word, so that messages line up.
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
  // emplace: the first of several fields with one name counts.
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { line.emplace(field.key, value); }, field.value);
  }
  constexpr int kOneLine = -1;
  // escapes every character that a terminal or a reader could take for a line end
  constexpr bool kAsciiOnly = true;
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

namespace {

std::string FormatLine(LogFormat format, LogLevel level, std::string_view logger,
                       std::string_view message, const LogFields& fields) {
  const auto render = format == LogFormat::kText ? FormatTextLine : FormatJsonLine;
  return render(std::chrono::system_clock::now(), level, logger, message, fields);
}

LogFormat Resolve(LogFormat format) {
  if (format != LogFormat::kAuto) return format;
  return ::isatty(STDERR_FILENO) == 1 ? LogFormat::kText : LogFormat::kJson;
}

}  // namespace

Logger::Logger(LogLevel threshold, LogFormat format)
    : threshold_(threshold),
      format_(Resolve(format)),
      queue_(std::make_shared<LogQueue>(STDERR_FILENO, LogQueue::Limits{},
                                        [format = format_](std::uint64_t lost) {
                                          return FormatLine(format, LogLevel::kWarn, "main",
                                                            "Log lines dropped", {{"lines", lost}});
                                        })) {}

Logger Logger::Named(std::string_view name) const {
  Logger copy = *this;
  copy.name_ = name;
  return copy;
}

void Logger::Log(LogLevel level, std::string_view message, const LogFields& fields) const {
  if (queue_ == nullptr || level < threshold_) return;
  try {
    queue_->Push(FormatLine(format_, level, name_, message, fields));
  } catch (...) {  // out of memory: the line is dropped
  }
}

void Logger::Flush() const {
  if (queue_ != nullptr) queue_->Flush();
}

std::uint64_t Logger::lines_dropped() const { return queue_ == nullptr ? 0 : queue_->dropped(); }

}  // namespace runner
