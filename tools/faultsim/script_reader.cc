#include "tools/faultsim/script_reader.h"

#include <algorithm>

#include "tools/faultsim/script_parser.h"

namespace runner::faultsim {
namespace {

// Converts each character of UTF-8 text to the byte of its code point; nullopt if one exceeds 0xFF.
std::optional<std::string> Latin1(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) {
      bytes += text[i];
    } else if (first <= 0xC3 && i + 1 < text.size()) {
      const auto second = static_cast<unsigned char>(text[++i]);
      bytes += static_cast<char>(((first & 0x03) << 6) | (second & 0x3F));
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

std::optional<std::string> FromBase64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>((bits >> (count -= 8)) & 0xFF);
  }
  if (count >= 6) return std::nullopt;  // an incomplete byte
  return bytes;
}

}  // namespace

void ScriptReader::Fail(std::string_view what) const {
  throw ScriptError(place_ + ": " + std::string(what));
}

ScriptReader ScriptReader::Called(const std::string& name) const {
  return {*value_, place_ + " '" + name + "'"};
}

void ScriptReader::Allow(std::initializer_list<std::string_view> keys) const {
  for (const ScriptReader& member : Members()) {
    if (std::find(keys.begin(), keys.end(), member.key_) != keys.end()) continue;
    std::string known;
    for (const std::string_view key : keys) known.append(known.empty() ? "" : ", ").append(key);
    member.Fail("unknown key; expected " + known);
  }
}

std::optional<ScriptReader> ScriptReader::Find(const char* key) const {
  for (const ScriptReader& member : Members()) {
    if (member.key_ == key) return member;
  }
  return std::nullopt;
}

ScriptReader ScriptReader::Get(const char* key) const {
  auto found = Find(key);
  if (!found) Fail(std::string("missing key ") + key);
  return *std::move(found);
}

std::vector<ScriptReader> ScriptReader::Members() const {
  if (!value_->is_object()) Fail("must be an object");
  std::vector<ScriptReader> members;
  for (const auto& [key, value] : value_->items()) {
    members.emplace_back(value, place_ + '.' + key);
    members.back().key_ = key;
  }
  return members;
}

std::vector<ScriptReader> ScriptReader::Elements() const {
  if (!value_->is_array()) Fail("must be a list");
  std::vector<ScriptReader> elements;
  for (const Json& value : *value_) {
    elements.emplace_back(value, place_ + " #" + std::to_string(elements.size() + 1));
  }
  return elements;
}

std::uint64_t ScriptReader::Number(std::uint64_t least, std::uint64_t most) const {
  if (value_->is_number_unsigned()) {
    const auto number = value_->get<std::uint64_t>();
    if (number >= least && number <= most) return number;
  }
  Fail("must be a number from " + std::to_string(least) + " to " + std::to_string(most));
}

std::uint64_t ScriptReader::NumberOr(const char* key, std::uint64_t otherwise, std::uint64_t least,
                                     std::uint64_t most) const {
  const auto found = Find(key);
  return found ? found->Number(least, most) : otherwise;
}

std::string ScriptReader::Text() const {
  if (value_->is_number_integer()) return value_->dump();
  if (!value_->is_string()) Fail("must be a string");
  return value_->get<std::string>();
}

std::string ScriptReader::Bytes() const {
  if (value_->is_string()) {
    auto bytes = Latin1(value_->get_ref<const std::string&>());
    if (!bytes) Fail("characters must be U+0000 to U+00FF; use base64 for other bytes");
    return *std::move(bytes);
  }
  if (!value_->is_object()) Fail("must be a string or {\"base64\": \"...\"}");
  Allow({"base64"});
  auto bytes = FromBase64(Get("base64").Text());
  if (!bytes) Fail("invalid base64");
  return *std::move(bytes);
}

}  // namespace runner::faultsim
