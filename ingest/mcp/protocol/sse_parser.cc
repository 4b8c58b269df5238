#include "ingest/mcp/protocol/sse_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace runner::ingest {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// A buffer that a long line has grown is freed: there may be thousands of streams.
constexpr std::size_t kKeptCapacity = std::size_t{16} << 10;

// An assignment of {} would keep the capacity.
void Free(std::string& text) { std::string().swap(text); }

}  // namespace

SseParser::SseParser(Handlers handlers, SseLimits limits)
    : handlers_(std::move(handlers)), limits_(limits) {}

void SseParser::Put(std::string_view bytes) {
  while (bom_matched_ < kByteOrderMark.size() && !bytes.empty()) {
    if (bytes.front() != kByteOrderMark[bom_matched_]) {
      line_.append(kByteOrderMark.substr(0, bom_matched_));  // it was ordinary text after all
      bom_matched_ = kByteOrderMark.size();
      break;
    }
    ++bom_matched_;
    bytes.remove_prefix(1);
  }

  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    TakeLinePart(bytes.substr(0, end));
    if (end == bytes.size()) return;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    EndLine();
  }
}

bool SseParser::mid_event() const {
  return field_seen_ || line_too_long_ || in_data_line_ || !line_.empty();
}

void SseParser::DropEvent() {
  if (!mid_event()) return;
  event_too_long_ = true;
  if (!line_.empty()) {
    line_too_long_ = true;
    skipped_ += line_.size();
  }
  for (std::string* text : {&line_, &data_, &type_}) Free(*text);
}

// True if line_ holds the beginning of a data line whose value has begun.
bool SseParser::BeginDataLine() {
  constexpr std::string_view kData = "data:";
  // One byte behind the colon shows whether it is the space that does not count.
  if (!handlers_.on_data || line_.size() <= kData.size() || !line_.starts_with(kData)) return false;
  if (std::exchange(has_data_, true)) handlers_.on_data("\n");
  std::string_view value = std::string_view(line_).substr(kData.size());
  if (value.starts_with(' ')) value.remove_prefix(1);
  handlers_.on_data(value);
  line_.clear();
  in_data_line_ = true;
  return true;
}

void SseParser::TakeLinePart(std::string_view part) {
  constexpr std::size_t kFieldNameBytes = 6;
  if (handlers_.on_data && !in_data_line_ && !line_too_long_ && line_.size() < kFieldNameBytes) {
    const std::size_t more = std::min(part.size(), kFieldNameBytes - line_.size());
    line_.append(part.substr(0, more));
    part.remove_prefix(more);
    BeginDataLine();
  }
  if (in_data_line_) {
    if (!part.empty()) handlers_.on_data(part);
    return;
  }
  if (line_.size() + part.size() > limits_.max_line) {
    line_too_long_ = true;
    skipped_ = line_.size();
    Free(line_);
  }
  if (!line_too_long_) {
    line_.append(part);
    return;
  }
  skipped_ += part.size();
  if (skipped_ > limits_.max_event && !std::exchange(endless_reported_, true))
    handlers_.on_endless();
}

void SseParser::EndLine() {
  if (std::exchange(in_data_line_, false)) {
    field_seen_ = true;
    return;
  }
  if (std::exchange(line_too_long_, false)) {
    event_too_long_ = true;
    field_seen_ = true;
    skipped_ = 0;
    endless_reported_ = false;
    return;
  }
  // Moved out and back, so that the capacity serves the next line.
  std::string line = std::move(line_);
  line_.clear();
  if (line.empty()) {
    Dispatch();
  } else if (line.front() == ':') {
    ++comments_;
  } else if (const std::size_t colon = line.find(':'); colon == std::string::npos) {
    Field(line, {});
  } else {
    std::string_view value = std::string_view(line).substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    Field(std::string_view(line).substr(0, colon), value);
  }
  if (line.capacity() > kKeptCapacity) return;
  line.clear();
  line_ = std::move(line);
}

void SseParser::Field(std::string_view name, std::string_view value) {
  field_seen_ = true;
  if (name == "data" && handlers_.on_data) {
    if (std::exchange(has_data_, true)) handlers_.on_data("\n");
    handlers_.on_data(value);
  } else if (name == "data") {
    if (data_.size() + (has_data_ ? 1 : 0) + value.size() > limits_.max_event) {
      event_too_long_ = true;
      data_.clear();
      return;
    }
    if (event_too_long_) return;
    if (has_data_) data_.push_back('\n');
    data_.append(value);
    has_data_ = true;
  } else if (name == "event") {
    type_ = value;
  } else if (name == "id") {
    if (value.size() > limits_.max_id || value.find('\0') != std::string_view::npos) return;
    id_ = value;
    id_changed_ = true;
  } else if (name == "retry") {
    const bool digits = !value.empty() && std::all_of(value.begin(), value.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) return;
    // More digits than a number holds: the largest one, for the receiver to bound.
    std::int64_t ms = std::chrono::milliseconds::max().count();
    std::from_chars(value.data(), value.data() + value.size(), ms);
    handlers_.on_retry(std::chrono::milliseconds(ms));
  }
}

void SseParser::Dispatch() {
  // A blank line by itself costs nothing: a stream may consist of them.
  if (std::exchange(id_changed_, false)) last_event_id_ = id_;
  field_seen_ = false;
  SseEvent event{std::exchange(type_, {}), std::exchange(data_, {}), {}};
  const bool has_data = std::exchange(has_data_, false);
  if (std::exchange(event_too_long_, false)) {
    handlers_.on_oversize();
  } else if (has_data) {
    ++events_;
    event.last_event_id = last_event_id_;
    handlers_.on_event(std::move(event));
  }
}

}  // namespace runner::ingest
