#include "ingest/mcp/transport/secrets.h"

#include <algorithm>

#include "common/base/utf8.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxLasting = 128;  // of headers there are at most 32
constexpr std::size_t kMaxTokens = 4;
constexpr std::size_t kMaxCookies = 64;
constexpr std::string_view kMask = "***";

void Remember(std::vector<std::string>& values, std::string_view word) {
  if (word.size() >= Secrets::kShortest && values.size() < kMaxLasting) values.emplace_back(word);
}

void RememberLatest(std::deque<std::string>& values, std::string_view value, std::size_t most) {
  if (value.size() < Secrets::kShortest) return;
  if (std::find(values.begin(), values.end(), value) != values.end()) return;
  values.emplace_front(value);
  if (values.size() > most) values.pop_back();
}

void Replace(std::string& text, std::string_view value) {
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

void Secrets::AddToken(std::string_view token) { RememberLatest(tokens_, token, kMaxTokens); }

void Secrets::AddCookie(std::string_view value) { RememberLatest(cookies_, value, kMaxCookies); }

std::vector<std::string_view> Secrets::LongestFirst() const {
  std::vector<std::string_view> values(lasting_.begin(), lasting_.end());
  values.insert(values.end(), tokens_.begin(), tokens_.end());
  values.insert(values.end(), cookies_.begin(), cookies_.end());
  // A secret may contain another: masking the shorter one first would show the rest.
  std::sort(values.begin(), values.end(),
            [](std::string_view a, std::string_view b) { return a.size() > b.size(); });
  return values;
}

std::string Secrets::Mask(std::string text) const {
  for (const std::string_view value : LongestFirst()) Replace(text, value);
  // Texts are cut before they are masked: the beginning of a secret may remain.
  for (std::size_t end = text.rfind(kTruncationMarker); end != std::string::npos;
       end = end == 0 ? std::string::npos : text.rfind(kTruncationMarker, end - 1)) {
    text = MaskEnd(text.substr(0, end)) + text.substr(end);
  }
  return text;
}

std::string Secrets::MaskCut(std::string text) const { return MaskEnd(Mask(std::move(text))); }

std::string Secrets::MaskEnd(std::string text) const {
  std::size_t cut = 0;
  for (const std::string_view value : LongestFirst()) {
    for (std::size_t size = std::min(value.size(), text.size()); size >= kShortest; --size) {
      if (text.ends_with(value.substr(0, size))) {
        cut = std::max(cut, size);
        break;
      }
    }
  }
  if (cut > 0) text.replace(text.size() - cut, cut, kMask);
  return text;
}

}  // namespace runner::ingest
