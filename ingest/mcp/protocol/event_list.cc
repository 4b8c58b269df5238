#include "ingest/mcp/protocol/event_list.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <streambuf>
#include <string>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/fault_decoder.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxDepth = 16;  // a list of maps of maps, and something to spare
// Bytes of one member of an entry before its escapes are read, except for the message.
constexpr std::size_t kMaxMember = std::size_t{8} << 10;
constexpr std::size_t kMaxRawMessage = kMaxListedMessage + kMaxMember;
// The YAML parser needs some 230 bytes for each bracket until it knows whether that begins a key.
constexpr std::size_t kMaxEntry = std::size_t{512} << 10;
constexpr std::size_t kMaxFlowList = std::size_t{256} << 10;
// Limits of the parser for one list. A server that ignores the field selector lists events
// of type Normal as well.
constexpr std::size_t kMaxParsedEntries = 5 * kMaxListedEvents;
constexpr std::size_t kMaxParsedBytes = std::size_t{32} << 20;

struct NotAList {};

// A stream over text that is not copied.
class TextBuffer final : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // only read: there is no put area
    setg(begin, begin, begin + text.size());
  }
};

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

// As Go writes a time: "2026-11-25 16:48:44.5 +0000 UTC"; RFC 3339 is taken as well.
std::optional<WallTime> ReadTime(const std::string& text) {
  const std::size_t zone = text.find(" +");
  const std::size_t west = text.find(" -");
  const std::size_t at = std::min(zone, west);
  constexpr std::size_t kZone = 6;  // " +0000"
  if (at == std::string::npos || text.size() < at + kZone) return ParseTimestamp(text);
  return ParseTimestamp(text.substr(0, at) + text.substr(at + 1, 3) + ":" + text.substr(at + 4, 2));
}

void Later(std::optional<WallTime>& latest, const std::string& text) {
  if (const auto time = ReadTime(text)) latest = std::max(latest.value_or(*time), *time);
}

void Larger(std::uint64_t& largest, const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) largest = std::max(largest, number);
}

// Picks the events out of what the YAML parser comes across. Where a value is, is known from the
// keys above it: [list] {event} {involvedObject}.
class EntryHandler final : public YAML::EventHandler {
 public:
  using Sink = std::function<void(ClusterEvent)>;
  explicit EntryHandler(const Sink& on_event) : on_event_(on_event) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override { Value(""); }
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override { Value(""); }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    Value(value);
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Enter(false);
  }
  void OnSequenceEnd() override { Leave(); }
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    if (levels_.empty()) throw NotAList();
    if (levels_.size() == 1) event_ = {};
    Enter(true);
  }
  void OnMapEnd() override {
    Leave();
    if (levels_.size() == 1) on_event_(std::move(event_));
  }

 private:
  struct Level {
    bool is_map = false;
    bool has_key = false;  // what comes next is the value of `key`
    std::string key;
  };

  void Enter(bool is_map) {
    if (levels_.size() == kMaxDepth) throw NotAList();
    levels_.push_back({is_map, false, ""});
  }
  void Leave() {
    levels_.pop_back();
    if (!levels_.empty()) levels_.back().has_key = false;
  }
  void Value(const std::string& value) {
    if (levels_.empty()) {
      if (!value.empty()) throw NotAList();  // prose
      return;
    }
    Level& level = levels_.back();
    if (!level.is_map) return;
    if (!std::exchange(level.has_key, !level.has_key)) {
      level.key = LowerCase(value);
    } else if (levels_.size() == 2) {
      SetMember(level.key, value);
    } else if (levels_.size() == 3 && levels_[1].key == "involvedobject") {
      SetObjectMember(level.key, value);
    } else if (levels_.size() == 3 && levels_[1].key == "series") {
      SetSeriesMember(level.key, value);
    }
  }
  void SetMember(const std::string& key, const std::string& value) {
    if (key == "message") event_.message = value;
    if (key == "namespace") event_.namespace_ = value;
    if (key == "reason") event_.reason = value;
    if (key == "type") event_.type = value;
    if (key == "count") Larger(event_.count, value);
    if (key == "timestamp" || key == "eventtime" || key == "firsttimestamp" ||
        key == "lasttimestamp") {
      Later(event_.timestamp, value);
    }
  }
  void SetObjectMember(const std::string& key, const std::string& value) {
    if (key == "apiversion") event_.object.api_version = value;
    if (key == "kind") event_.object.kind = value;
    if (key == "name") event_.object.name = value;
    if (key == "uid") event_.object.uid = value;
    if (key == "namespace") {
      event_.object.namespace_ = value;
      event_.object_scope_known = true;
    }
  }
  void SetSeriesMember(const std::string& key, const std::string& value) {
    if (key == "count") Larger(event_.count, value);
    if (key == "lastobservedtime") Later(event_.timestamp, value);
  }

  const Sink& on_event_;
  std::vector<Level> levels_;
  ClusterEvent event_;
};

// False if the text is no YAML, or no sequence. Events that were read before it turned out stay.
bool ParseEntries(std::string_view text, const EntryHandler::Sink& on_event) {
  TextBuffer buffer(text);
  std::istream stream(&buffer);
  EntryHandler handler(on_event);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(handler);
  } catch (const NotAList&) {
    return false;
  } catch (const YAML::Exception&) {
    return false;
  }
  return true;
}

std::size_t IndentOf(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

// The key with which a line begins; empty if it begins with something else.
std::string KeyOf(std::string_view text) {
  constexpr std::size_t kMaxKey = 64;
  const std::size_t colon = text.substr(0, kMaxKey).find(':');
  if (colon == std::string_view::npos) return {};
  std::string_view key = text.substr(0, colon);
  while (key.ends_with(' ')) key.remove_suffix(1);
  if (key.size() >= 2 && (key.front() == '"' || key.front() == '\'') && key.back() == key.front()) {
    key = key.substr(1, key.size() - 2);
  }
  return LowerCase(key);
}

bool IsReadMember(std::string_view key) {
  constexpr std::array<std::string_view, 11> kRead = {
      "involvedobject", "message", "namespace", "reason",         "type",         "timestamp",
      "count",          "series",  "eventtime", "firsttimestamp", "lasttimestamp"};
  return std::find(kRead.begin(), kRead.end(), key) != kRead.end();
}

// Gives a scalar that was cut its end: without that, its entry would be no YAML.
void MendCutScalar(std::string& entry, char style) {
  while (!entry.empty() && (entry.back() & 0xC0) == 0x80) entry.pop_back();  // a cut character
  if (!entry.empty() && (entry.back() & 0x80) != 0) entry.pop_back();
  if (style == '"') {
    constexpr std::size_t kLongestEscape = 10;  // \UXXXXXXXX
    const std::size_t from = entry.size() - std::min(entry.size(), kLongestEscape);
    const std::size_t last = entry.find_last_of('\\');
    if (last != std::string::npos && last >= from) {
      std::size_t run = 1;
      while (run <= last && entry[last - run] == '\\') ++run;
      if (run % 2 == 1) entry.resize(last);
    }
    entry += '"';
  } else if (style == '\'') {
    std::size_t run = 0;
    while (run < entry.size() && entry[entry.size() - 1 - run] == '\'') ++run;
    if (run % 2 == 1) entry.pop_back();
    entry += '\'';
  } else if (style != '|' && style != '>') {
    // Behind one of these a plain scalar would become a key or a comment.
    constexpr std::string_view kMeaningful = ":# ";
    while (!entry.empty() && kMeaningful.find(entry.back()) != std::string_view::npos) {
      entry.pop_back();
    }
  }
  entry += '\n';
}

}  // namespace

class EventListReader::Impl {
 public:
  void Put(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      AppendToLine(text.substr(0, end));
      if (end == text.size()) return;
      text.remove_prefix(end + 1);
      EndLine();
    }
  }

  std::size_t buffered() const {
    return message_bytes_ + list_.events.capacity() * (sizeof(ClusterEvent) + kEagerMessage) +
           line_.capacity() + entry_.capacity();
  }

  EventList Finish() {
    EndLine();
    EndEntry();
    if (where_ == Where::kFlow) EndFlow();
    const bool unreadable = readable_ == 0 && list_.dropped > 0;
    list_.is_list = seen_ && where_ != Where::kProse && !unreadable;
    if (!list_.is_list) list_ = {};
    return std::move(list_);
  }

 private:
  enum class Where { kPreamble, kEntries, kFlow, kProse };
  static constexpr std::size_t kUnknown = static_cast<std::size_t>(-1);

  void AppendToLine(std::string_view part) {
    const std::size_t room = kMaxRawMessage - line_.size();
    line_cut_ = line_cut_ || part.size() > room;
    line_.append(part.substr(0, room));
  }

  void EndLine() {
    std::string line = std::exchange(line_, {});
    const bool cut = std::exchange(line_cut_, false);
    if (line.ends_with('\r')) line.pop_back();
    switch (where_) {
      case Where::kPreamble:
        TakePreamble(line, cut);
        break;
      case Where::kEntries:
        TakeEntryLine(line, cut);
        break;
      case Where::kFlow:
        TakeFlowLine(line, cut);
        break;
      case Where::kProse:
        break;
    }
    line.clear();
    if (line.capacity() <= kMaxMember) line_ = std::move(line);
  }

  void TakePreamble(std::string_view line, bool cut) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    const std::size_t indent = IndentOf(line);
    const std::string_view text = line.substr(indent);
    if (text.empty()) return;
    seen_ = true;
    if (text.starts_with('#') || text == "---" || text.starts_with("No events")) return;
    if (text.front() == '[') {
      where_ = Where::kFlow;
      TakeFlowLine(line, cut);
    } else if (text == "-" || text.starts_with("- ")) {
      where_ = Where::kEntries;
      dash_ = indent;
      TakeEntryLine(line, cut);
    } else if (!text.ends_with(':') || std::exchange(has_title_, true)) {
      where_ = Where::kProse;
    }
  }

  void TakeEntryLine(std::string_view line, bool cut) {
    const std::size_t indent = IndentOf(line);
    const std::string_view text = line.substr(indent);
    if (indent == dash_ && (text == "-" || text.starts_with("- "))) {
      EndEntry();
      BeginEntry(line, text, cut);
      return;
    }
    if (!text.empty() && indent <= dash_) return;  // prose behind the list
    if (member_indent_ == kUnknown && !text.empty()) member_indent_ = indent;
    if (!text.empty() && indent == member_indent_ && !flow_entry_) BeginMember(text);
    AddLine(line, cut);
  }

  void BeginEntry(std::string_view line, std::string_view text, bool cut) {
    in_entry_ = true;
    entry_full_ = false;
    has_read_member_ = false;
    const std::size_t blanks = IndentOf(text.substr(1)) + 1;
    const std::string_view first = text.substr(blanks);
    member_indent_ = first.empty() ? kUnknown : dash_ + blanks;
    // In flow style, or behind an anchor or a tag, lines do not divide members.
    constexpr std::string_view kFlow = "{[&!*";
    flow_entry_ = !first.empty() && kFlow.find(first.front()) != std::string_view::npos;
    NewMember(true, false, kMaxRawMessage, 0);
    if (!first.empty() && !flow_entry_) BeginMember(first);
    if (member_read_) {
      AddLine(line, cut);
    } else {
      // The dash stays where the member behind it is skipped.
      entry_.append(line.substr(0, member_indent_)).append("_: _\n");
    }
  }

  void BeginMember(std::string_view text) {
    const std::string key = KeyOf(text);
    // A line without a key continues the member before it, such as a sequence as its value.
    if (key.empty() && !text.starts_with('?')) return;
    const std::size_t value = std::min(text.find(':') + 1, text.size());
    const std::string_view rest = text.substr(value);
    const std::size_t blanks = IndentOf(rest);
    const char style = blanks < rest.size() ? rest[blanks] : 0;
    const bool read = IsReadMember(key);
    has_read_member_ = has_read_member_ || read;
    const bool is_message = key == "message";
    NewMember(read, is_message && member_indent_ >= 2, is_message ? kEagerMessage : kMaxMember,
              style);
  }

  void NewMember(bool read, bool is_message, std::size_t limit, char style) {
    EndMember();
    member_read_ = read;
    member_limit_ = limit;
    member_style_ = style;
    member_bytes_ = 0;
    member_cut_ = false;
    in_message_ = is_message;
    // The whole message is a list of one entry, of which this is the first line.
    if (is_message) source_.assign(member_indent_ - 2, ' ').append("- ");
  }

  void AddLine(std::string_view line, bool cut) {
    if (!in_entry_ || !member_read_ || IsPastLimit()) return;
    if (in_message_) AddToSource(line, cut);
    if (member_cut_) return;
    const std::size_t room = member_limit_ - member_bytes_;
    if (entry_.size() + std::min(line.size(), room) + 2 > kMaxEntry) {
      entry_full_ = true;
      return;
    }
    member_cut_ = cut || line.size() + 1 > room;
    entry_.append(line.substr(0, room));
    if (!member_cut_) entry_ += '\n';
    member_bytes_ += line.size() + 1;
  }

  void AddToSource(std::string_view line, bool cut) {
    if (source_cut_) return;
    if (member_bytes_ == 0) line.remove_prefix(std::min(member_indent_, line.size()));
    const std::size_t room = kMaxRawMessage - std::min(source_.size(), kMaxRawMessage);
    source_cut_ = cut || line.size() + 1 > room;
    source_.append(line.substr(0, room));
    if (!source_cut_) source_ += '\n';
  }

  void EndMember() {
    if (in_message_) {
      message_is_long_ = member_cut_;
      message_cut_ = source_cut_;
      if (source_cut_) MendCutScalar(source_, member_style_);
    }
    if (std::exchange(member_cut_, false)) MendCutScalar(entry_, member_style_);
    in_message_ = source_cut_ = false;
  }

  void EndEntry() {
    if (!std::exchange(in_entry_, false)) return;
    EndMember();
    const std::string entry = std::exchange(entry_, {});
    std::string source = std::exchange(source_, {});
    const bool is_long = std::exchange(message_is_long_, false);
    const bool is_cut = std::exchange(message_cut_, false);
    if (IsPastLimit()) {
      ++list_.dropped;
      return;
    }
    if (!has_read_member_ && !flow_entry_) {
      ++readable_;  // no event
      return;
    }
    ++parsed_entries_;
    parsed_bytes_ += entry.size();
    const auto take = [&](ClusterEvent event) {
      if (is_long) {
        const bool keeps = message_bytes_ + source.size() <= kMaxListedMessages;
        event.message_cut = is_cut || !keeps;
        if (keeps) event.message_source = std::move(source);
      }
      Take(std::move(event));
    };
    if (!entry_full_ && ParseEntries(entry, take)) {
      ++readable_;
    } else {
      ++list_.dropped;
    }
  }

  bool IsPastLimit() const {
    return list_.events.size() >= kMaxListedEvents || parsed_entries_ >= kMaxParsedEntries ||
           parsed_bytes_ >= kMaxParsedBytes;
  }

  void Take(ClusterEvent event) {
    if (event.type != "Warning") return;
    if (list_.events.size() >= kMaxListedEvents) {  // in a list in flow style
      ++list_.dropped;
      return;
    }
    if (event.message_cut) ++list_.truncated;
    message_bytes_ += event.message_source.size();
    list_.events.push_back(std::move(event));
  }

  void TakeFlowLine(std::string_view line, bool cut) {
    flow_too_long_ = flow_too_long_ || cut || entry_.size() + line.size() + 1 > kMaxFlowList;
    if (!flow_too_long_) entry_.append(line).append("\n");
  }

  void EndFlow() {
    const std::string text = std::exchange(entry_, {});
    const bool read = !flow_too_long_ &&
                      ParseEntries(text, [this](ClusterEvent event) { Take(std::move(event)); });
    if (!read) where_ = Where::kProse;
  }

  Where where_ = Where::kPreamble;
  bool has_title_ = false;
  bool seen_ = false;  // anything but blank lines
  std::string line_;
  bool line_cut_ = false;

  std::size_t dash_ = 0;           // columns before the dash of an entry
  std::size_t member_indent_ = 0;  // and before its members
  bool in_entry_ = false;
  bool flow_entry_ = false;
  bool entry_full_ = false;
  bool has_read_member_ = false;
  std::string entry_;  // what is read of the entry under way
  bool member_read_ = false;
  bool member_cut_ = false;
  std::size_t member_limit_ = 0;
  std::size_t member_bytes_ = 0;
  char member_style_ = 0;
  bool in_message_ = false;
  std::string source_;  // the whole message of the entry under way
  bool source_cut_ = false;
  bool message_is_long_ = false;  // longer than what is read at once
  bool message_cut_ = false;      // and than what may be read at all
  bool flow_too_long_ = false;

  EventList list_;
  std::size_t readable_ = 0;
  std::size_t parsed_entries_ = 0;
  std::size_t parsed_bytes_ = 0;
  std::size_t message_bytes_ = 0;
};

EventListReader::EventListReader() : impl_(std::make_unique<Impl>()) {}
EventListReader::~EventListReader() = default;
EventListReader::EventListReader(EventListReader&&) noexcept = default;
EventListReader& EventListReader::operator=(EventListReader&&) noexcept = default;

void EventListReader::Put(std::string_view text) { impl_->Put(text); }

std::size_t EventListReader::buffered() const { return impl_->buffered(); }

EventList EventListReader::Finish() {
  EventList list = impl_->Finish();
  impl_ = std::make_unique<Impl>();
  return list;
}

void CompleteMessage(ClusterEvent& event) {
  const std::string source = std::exchange(event.message_source, {});
  const auto take = [&event](ClusterEvent whole) { event.message = std::move(whole.message); };
  if (!source.empty() && !ParseEntries(source, take)) event.message_cut = true;
  if (!event.message_cut && event.message.size() <= kMaxListedMessage) return;
  // Valid UTF-8 first: a cut in the middle of a character is none.
  const std::size_t limit = kMaxListedMessage - kTruncationMarker.size();
  event.message.resize(std::min(event.message.size(), limit));
  event.message = TruncateUtf8(SanitizeUtf8(event.message), limit, "");
  event.message += kTruncationMarker;
}

EventList ReadEventList(std::string_view text) {
  EventListReader reader;
  reader.Put(text);
  return reader.Finish();
}

}  // namespace runner::ingest
