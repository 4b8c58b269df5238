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

// A JSON value of a script that knows its path, so that every error names its place. Refers to the
// document. Throws ScriptError if the value has another type than the call expects.
class ScriptReader {
 public:
  using Json = nlohmann::ordered_json;

  ScriptReader(const Json& value, std::string place) : value_(&value), place_(std::move(place)) {}

  [[noreturn]] void Fail(std::string_view what) const;
  // The same value, with the author's name for it in errors.
  ScriptReader Called(const std::string& name) const;

  // The key of this value in its object.
  const std::string& key() const { return key_; }
  bool IsString() const { return value_->is_string(); }
  // Throws if the object has a key that is not listed.
  void Allow(std::initializer_list<std::string_view> keys) const;
  std::optional<ScriptReader> Find(const char* key) const;
  ScriptReader Get(const char* key) const;
  std::vector<ScriptReader> Members() const;
  std::vector<ScriptReader> Elements() const;

  std::uint64_t Number(std::uint64_t least, std::uint64_t most) const;
  std::uint64_t NumberOr(const char* key, std::uint64_t otherwise, std::uint64_t least,
                         std::uint64_t most) const;
  // The text as UTF-8, or the digits of a number.
  std::string Text() const;
  // Bytes: a string whose characters U+0000 to U+00FF are one byte each, or {"base64": "..."}.
  std::string Bytes() const;

 private:
  const Json* value_;
  std::string place_;
  std::string key_;
};

}  // namespace runner::faultsim
