#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace runner::faultsim {

// A value of a script that knows where it stands, so that every complaint names its place. Refers
// to the document. All calls throw ScriptError when the value is not what is asked for.
class ScriptReader {
 public:
  using Json = nlohmann::ordered_json;

  ScriptReader(const Json& value, std::string place) : value_(&value), place_(std::move(place)) {}

  [[noreturn]] void Fail(std::string_view what) const;
  // The same value, with the name that the author gave it in complaints.
  ScriptReader Called(const std::string& name) const;

  // The key under which it stands in an object.
  const std::string& key() const { return key_; }
  bool IsString() const { return value_->is_string(); }
  // No other keys than these in this object.
  void Allow(std::initializer_list<std::string_view> keys) const;
  std::optional<ScriptReader> Find(const char* key) const;
  ScriptReader Get(const char* key) const;
  std::vector<ScriptReader> Members() const;
  std::vector<ScriptReader> Elements() const;

  std::uint64_t Number(std::uint64_t least, std::uint64_t most) const;
  std::uint64_t NumberOr(const char* key, std::uint64_t otherwise, std::uint64_t least,
                         std::uint64_t most) const;
  // UTF-8 as it is written; a number as its digits.
  std::string Text() const;
  // A string in which every character is one byte (U+0000 to U+00FF), or {"base64": "..."}.
  std::string Bytes() const;

 private:
  const Json* value_;
  std::string place_;
  std::string key_;
};

}  // namespace runner::faultsim
