#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace runner::support {

// The log of a program: one JSON object on each line. Every call reads the file again.
class LogFile {
 public:
  LogFile() = default;
  explicit LogFile(std::filesystem::path path) : path_(std::move(path)) {}

  // All complete lines that are a JSON object.
  std::vector<nlohmann::json> Lines() const;
  // All complete lines that are not.
  std::vector<std::string> OtherLines() const;
  // The lines with this message and all of these fields. Programs write lines a little after the
  // reported action: if there is none, retries for up to 500 ms.
  std::vector<nlohmann::json> With(std::string_view message,
                                   const nlohmann::json& fields = nlohmann::json::object()) const;
  bool Has(std::string_view message,
           const nlohmann::json& fields = nlohmann::json::object()) const {
    return !With(message, fields).empty();
  }
  // Waits for a line with this message whose `error` contains the text; false if none is written
  // within the time limit.
  bool ComesToSay(std::string_view message, std::string_view text) const;
  std::string Tail(std::size_t lines) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::vector<std::string> Text() const;
  std::vector<nlohmann::json> Find(std::string_view message, const nlohmann::json& fields) const;

  std::filesystem::path path_;
};

}  // namespace runner::support
