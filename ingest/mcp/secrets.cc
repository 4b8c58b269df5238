#include "ingest/mcp/secrets.h"

#include <algorithm>

namespace runner::ingest {
namespace {

constexpr std::size_t kMost = 64;
constexpr std::string_view kMask = "***";

}  // namespace

void Secrets::Add(std::string_view value) {
  if (const auto space = value.rfind(' '); space != std::string_view::npos) {
    AddWord(value.substr(space + 1));
  }
  AddWord(value);
}

void Secrets::AddQuery(std::string_view url) {
  const auto query = url.find('?');
  if (query == std::string_view::npos) return;
  url.remove_prefix(query + 1);
  while (!url.empty()) {
    const std::string_view pair = url.substr(0, url.find('&'));
    url.remove_prefix(std::min(pair.size() + 1, url.size()));
    AddWord(pair.substr(pair.find('=') + 1));  // all of it when there is none
  }
}

void Secrets::AddWord(std::string_view word) {
  if (word.size() < kShortest) return;
  if (std::find(values_.begin(), values_.end(), word) != values_.end()) return;
  values_.emplace_front(word);
  if (values_.size() > kMost) values_.pop_back();
}

std::string Secrets::Mask(std::string text) const {
  for (const std::string& value : values_) {
    for (std::size_t at = 0; (at = text.find(value, at)) != std::string::npos; at += kMask.size()) {
      text.replace(at, value.size(), kMask);
    }
  }
  return text;
}

}  // namespace runner::ingest
