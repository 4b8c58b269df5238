#include "ingest/mcp/secrets.h"

#include <algorithm>

namespace runner::ingest {
namespace {

constexpr std::size_t kMostLasting = 128;  // of headers there are at most 32
constexpr std::size_t kMostTokens = 4;
constexpr std::string_view kMask = "***";

void Remember(std::vector<std::string>& values, std::string_view word) {
  if (word.size() >= Secrets::kShortest && values.size() < kMostLasting) values.emplace_back(word);
}

void Replace(std::string& text, const std::string& value) {
  for (std::size_t at = 0; (at = text.find(value, at)) != std::string::npos; at += kMask.size()) {
    text.replace(at, value.size(), kMask);
  }
}

}  // namespace

void Secrets::AddHeader(std::string_view value) {
  Remember(lasting_, value);
  const auto space = value.rfind(' ');
  if (space != std::string_view::npos) Remember(lasting_, value.substr(space + 1));
}

void Secrets::AddQuery(std::string_view url) {
  url = url.substr(0, url.find('#'));
  const auto query = url.find('?');
  if (query == std::string_view::npos) return;
  url.remove_prefix(query + 1);
  while (!url.empty()) {
    const std::string_view pair = url.substr(0, url.find('&'));
    url.remove_prefix(std::min(pair.size() + 1, url.size()));
    Remember(lasting_, pair.substr(pair.find('=') + 1));  // all of it when there is none
  }
}

void Secrets::AddToken(std::string_view token) {
  if (token.size() < kShortest) return;
  if (std::find(tokens_.begin(), tokens_.end(), token) != tokens_.end()) return;
  tokens_.emplace_front(token);
  if (tokens_.size() > kMostTokens) tokens_.pop_back();
}

std::string Secrets::Mask(std::string text) const {
  std::vector<std::string_view> values(lasting_.begin(), lasting_.end());
  values.insert(values.end(), tokens_.begin(), tokens_.end());
  // One may hold another: what is left of a longer one would be shown.
  std::sort(values.begin(), values.end(),
            [](std::string_view a, std::string_view b) { return a.size() > b.size(); });
  for (const std::string_view value : values) Replace(text, std::string(value));
  return text;
}

}  // namespace runner::ingest
