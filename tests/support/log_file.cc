#include "tests/support/log_file.h"

#include <algorithm>
#include <chrono>

#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

using nlohmann::json;

bool Holds(const json& line, const json& fields) {
  return std::all_of(fields.items().begin(), fields.items().end(), [&line](const auto& field) {
    const auto found = line.find(field.key());
    return found != line.end() && *found == field.value();
  });
}

}  // namespace

std::vector<std::string> LogFile::Text() const {
  const std::string text = ReadFile(path_);
  std::vector<std::string> lines;
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    lines.push_back(text.substr(at, end - at));
  }
  return lines;
}

std::vector<json> LogFile::Lines() const {
  std::vector<json> lines;
  for (const std::string& text : Text()) {
    json line = json::parse(text, nullptr, false);
    if (line.is_object()) lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> LogFile::OtherLines() const {
  std::vector<std::string> lines = Text();
  std::erase_if(
      lines, [](const std::string& text) { return text.starts_with('{') && json::accept(text); });
  return lines;
}

std::vector<json> LogFile::With(std::string_view message, const json& fields) const {
  std::vector<json> found;
  Eventually([&] { return !(found = Find(message, fields)).empty(); },
             std::chrono::milliseconds(500));
  return found;
}

std::vector<json> LogFile::Find(std::string_view message, const json& fields) const {
  std::vector<json> found;
  for (const std::string& text : Text()) {
    // A log may have hundreds of thousands of lines: most need no parsing. Messages contain no
    // characters that JSON escapes.
    if (text.find(message) == std::string::npos) continue;
    json line = json::parse(text, nullptr, false);
    if (!line.is_object() || line.value("msg", "") != message || !Holds(line, fields)) continue;
    found.push_back(std::move(line));
  }
  return found;
}

bool LogFile::ComesToSay(std::string_view message, std::string_view text) const {
  return Eventually([&] {
    const std::vector<json> lines = With(message);
    return std::any_of(lines.begin(), lines.end(), [text](const json& line) {
      return line.value("error", "").find(text) != std::string::npos;
    });
  });
}

std::string LogFile::Tail(std::size_t lines) const {
  const std::vector<std::string> all = Text();
  std::string tail;
  for (std::size_t i = all.size() - std::min(lines, all.size()); i < all.size(); ++i) {
    tail += "  " + all[i] + "\n";
  }
  return tail;
}

}  // namespace runner::support
