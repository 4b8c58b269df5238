#include "ingest/mcp/protocol/tool_text_extractor.h"

#include <algorithm>
#include <utility>

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxKey = 32;                     // longer than every key of the path
constexpr std::size_t kEmitAt = std::size_t{64} << 10;  // bytes of decoded text
constexpr std::uint32_t kReplacement = 0xFFFD;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 0;  // whoever parses the rest refuses it
}

}  // namespace

ToolTextExtractor::ToolTextExtractor(std::function<void(std::string_view)> on_text,
                                     std::size_t max_rest)
    : on_text_(std::move(on_text)), max_rest_(max_rest) {}

std::string ToolTextExtractor::Take() {
  overflow_ = false;
  state_ = State::kValue;
  depth_ = 0;
  escaped_ = false;
  text_.clear();
  hex_left_ = 0;
  high_surrogate_ = 0;
  return std::exchange(rest_, {});
}

void ToolTextExtractor::Put(std::string_view bytes) {
  while (!bytes.empty() && !overflow_) {
    std::size_t taken = 0;
    switch (state_) {
      case State::kValue:
        taken = TakeValue(bytes);
        break;
      case State::kString:
        taken = TakeString(bytes);
        break;
      case State::kText:
        taken = TakeText(bytes);
        break;
      case State::kSkip:
      case State::kSkipString:
        taken = TakeSkipped(bytes);
        break;
    }
    bytes.remove_prefix(taken);
  }
  Emit();
}

void ToolTextExtractor::Keep(std::string_view bytes) {
  if (overflow_ || rest_.size() + bytes.size() > max_rest_) {
    return Drop();
  }
  rest_.append(bytes);
}

// Everything outside of strings: up to the next string, or to a value that is skipped.
std::size_t ToolTextExtractor::TakeValue(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (AtStructuredContent() && !IsSpace(c)) {
      Keep(bytes.substr(0, i));
      Keep("null");
      levels_[2].after_colon = false;
      state_ = State::kSkip;
      skip_depth_ = 0;
      skip_begun_ = false;
      return i;
    }
    if (c == '"') {
      Keep(bytes.substr(0, i + 1));
      BeginString();
      return i + 1;
    }
    Structural(c);
  }
  Keep(bytes);
  return bytes.size();
}

void ToolTextExtractor::Structural(char c) {
  if (c == '{' || c == '[') {
    ++depth_;
    if (depth_ <= kPathDepth) levels_[depth_] = {c == '{', false, {}};
    return;
  }
  if (c == '}' || c == ']') {
    if (depth_ > 0) --depth_;
  }
  if (depth_ == 0 || depth_ > kPathDepth) return;
  Level& level = levels_[depth_];
  if (c == ':') level.after_colon = true;
  // The end of a value: a comma, or the end of a container inside of this one.
  if (c == ',') level.after_colon = false;
}

bool ToolTextExtractor::AtText() const {
  return depth_ == kPathDepth && levels_[1].is_object && levels_[1].key == "result" &&
         levels_[2].is_object && levels_[2].key == "content" && !levels_[3].is_object &&
         levels_[4].is_object && levels_[4].after_colon && levels_[4].key == "text";
}

bool ToolTextExtractor::AtStructuredContent() const {
  return depth_ == 2 && levels_[1].is_object && levels_[1].key == "result" &&
         levels_[2].is_object && levels_[2].after_colon && levels_[2].key == "structuredContent";
}

void ToolTextExtractor::BeginString() {
  escaped_ = false;
  if (AtText()) {
    state_ = State::kText;
    text_kept_ = 0;
    text_cut_ = false;
    return;
  }
  state_ = State::kString;
  is_key_ = depth_ > 0 && depth_ <= kPathDepth && levels_[depth_].is_object &&
            !levels_[depth_].after_colon;
  if (is_key_) levels_[depth_].key.clear();
}

std::size_t ToolTextExtractor::TakeString(std::string_view bytes) {
  std::size_t i = 0;
  bool ended = false;
  while (i < bytes.size() && !ended) {
    const char c = bytes[i++];
    if (std::exchange(escaped_, false)) continue;
    if (c == '\\') escaped_ = true;
    if (c == '"') ended = true;
  }
  Keep(bytes.substr(0, i));
  if (is_key_) {
    std::string& key = levels_[depth_].key;
    const std::size_t length = ended ? i - 1 : i;
    key.append(bytes.substr(0, std::min(length, kMaxKey - std::min(key.size(), kMaxKey))));
  }
  if (ended) state_ = State::kValue;
  return i;
}

std::size_t ToolTextExtractor::TakeText(std::string_view bytes) {
  const std::size_t plain =
      escaped_ || hex_left_ > 0 ? 0 : std::min(bytes.find_first_of("\"\\"), bytes.size());
  if (plain > 0) {
    FlushSurrogate();
    text_.append(bytes.substr(0, plain));
    if (text_.size() >= kEmitAt) Emit();
    if (!text_cut_) {
      const std::size_t kept = std::min(plain, kMaxTextInRest - text_kept_);
      Keep(bytes.substr(0, kept));
      text_kept_ += kept;
      text_cut_ = kept < plain;
    }
    return plain;
  }
  const char c = bytes.front();
  if (c == '"' && !escaped_ && hex_left_ == 0) {
    EndText();
    return 1;
  }
  // An escape is kept whole or not at all, and so is a pair of surrogates: \uXXXX\uXXXX.
  constexpr std::size_t kEscape = 6;
  const bool begins = !escaped_ && hex_left_ == 0;
  const std::size_t room = high_surrogate_ != 0 ? kEscape : 2 * kEscape;
  if (begins && text_kept_ + room > kMaxTextInRest) text_cut_ = true;
  if (!text_cut_) {
    Keep({&c, 1});
    ++text_kept_;
  }
  if (begins) {
    escaped_ = true;  // c is the backslash
  } else if (hex_left_ > 0) {
    hex_ = hex_ << 4 | static_cast<std::uint32_t>(HexDigit(c));
    if (--hex_left_ == 0) AppendCodeUnit(hex_);
  } else {
    escaped_ = false;
    Escaped(c);
  }
  return 1;
}

void ToolTextExtractor::Escaped(char c) {
  if (c == 'u') {
    hex_left_ = 4;
    hex_ = 0;
    return;
  }
  FlushSurrogate();
  constexpr std::string_view kNames = "bfnrt";
  constexpr std::string_view kMeanings = "\b\f\n\r\t";
  const std::size_t at = kNames.find(c);
  text_.push_back(at == std::string_view::npos ? c : kMeanings[at]);
}

// UTF-16, as JSON escapes it (RFC 8259, section 7).
void ToolTextExtractor::AppendCodeUnit(std::uint32_t unit) {
  if (high_surrogate_ != 0 && unit >= 0xDC00 && unit <= 0xDFFF) {
    const std::uint32_t high = std::exchange(high_surrogate_, 0);
    AppendCodePoint(0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00));
    return;
  }
  FlushSurrogate();
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    high_surrogate_ = unit;
  } else {
    AppendCodePoint(unit >= 0xDC00 && unit <= 0xDFFF ? kReplacement : unit);
  }
}

void ToolTextExtractor::FlushSurrogate() {
  if (std::exchange(high_surrogate_, 0) != 0) AppendCodePoint(kReplacement);
}

void ToolTextExtractor::AppendCodePoint(std::uint32_t c) {
  const auto byte = [this](std::uint32_t value) { text_.push_back(static_cast<char>(value)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

void ToolTextExtractor::EndText() {
  FlushSurrogate();
  text_.push_back('\n');
  Emit();
  if (text_cut_) {
    // The plain part may have been cut in the middle of a character.
    while (!rest_.empty() && (rest_.back() & 0xC0) == 0x80) rest_.pop_back();
    if (!rest_.empty() && (rest_.back() & 0x80) != 0) rest_.pop_back();
  }
  Keep("\"");
  state_ = State::kValue;
}

void ToolTextExtractor::Emit() {
  if (text_.empty()) return;
  on_text_(text_);
  text_.clear();
}

// A whole value, of which nothing is kept.
std::size_t ToolTextExtractor::TakeSkipped(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (state_ == State::kSkipString) {
      if (std::exchange(escaped_, false)) continue;
      if (c == '\\') escaped_ = true;
      if (c == '"') state_ = State::kSkip;
      continue;
    }
    // A comma or the end of the object around it ends the value.
    if (skip_depth_ == 0 && skip_begun_ && (c == ',' || c == '}' || c == ']')) {
      state_ = State::kValue;
      return i;
    }
    skip_begun_ = true;
    if (c == '"') {
      state_ = State::kSkipString;
      escaped_ = false;
    } else if (c == '{' || c == '[') {
      ++skip_depth_;
    } else if ((c == '}' || c == ']') && skip_depth_ > 0) {
      --skip_depth_;
    }
  }
  return bytes.size();
}

}  // namespace runner::ingest
