#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace runner::support {

// The log of a program: one JSON object a line, read anew with every question.
class LogFile {
 public:
  LogFile() = default;
  explicit LogFile(std::filesystem::path path) : path_(std::move(path)) {}

  // Every complete line that is a JSON object.
  std::vector<nlohmann::json> Lines() const;
  // Every complete line that is not.
  std::vector<std::string> OtherLines() const;
  // Lines with this message that hold every one of these fields. Programs write lines a little
  // later than they do what the lines report: with none there, looks again for up to 500 ms.
  std::vector<nlohmann::json> With(std::string_view message,
                                   const nlohmann::json& fields = nlohmann::json::object()) const;
  bool Has(std::string_view message,
           const nlohmann::json& fields = nlohmann::json::object()) const {
    return !With(message, fields).empty();
  }
  // A line with this message whose `error` holds the text comes within the time limit.
  bool ComesToSay(std::string_view message, std::string_view text) const;
  std::string Tail(std::size_t lines) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::vector<std::string> Text() const;
  std::vector<nlohmann::json> Find(std::string_view message, const nlohmann::json& fields) const;

  std::filesystem::path path_;
};

}  // namespace runner::support
