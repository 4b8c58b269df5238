#include "ingest/mcp/event_list.h"

#include <algorithm>
#include <istream>
#include <streambuf>
#include <string>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "ingest/mcp/fault_decoder.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxDepth = 16;  // a list of maps of maps, and something to spare
// Keys, values, lists and maps; an event has about 25.
constexpr std::size_t kMaxNodes = 50 * kMaxListedEvents;
// How far the YAML parser may read before it comes across anything: it keeps some 230 bytes for
// each bracket until it knows whether that begins a key. Kubernetes bounds a message at 1 KiB.
constexpr std::size_t kMaxAhead = std::size_t{256} << 10;

struct NotAList {};
struct ListIsFull {};

// A stream over text that is not copied.
class TextBuffer final : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view text) : left_(text) {}

  // The parser has come across something.
  void OnProgress() { ahead_ = 0; }
  // The text was not read to its end, because there was no progress.
  bool stopped() const { return stopped_; }

 protected:
  int_type underflow() override {
    stopped_ = stopped_ || (ahead_ >= kMaxAhead && !left_.empty());
    if (stopped_ || left_.empty()) return traits_type::eof();
    constexpr std::size_t kPiece = std::size_t{4} << 10;
    const std::string_view piece = left_.substr(0, kPiece);
    left_.remove_prefix(piece.size());
    ahead_ += piece.size();
    char* begin = const_cast<char*>(piece.data());  // only read: there is no put area
    setg(begin, begin, begin + piece.size());
    return traits_type::to_int_type(*begin);
  }

 private:
  std::string_view left_;
  std::size_t ahead_ = 0;
  bool stopped_ = false;
};

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
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

// Picks the events out of what the YAML parser comes across. Where a value stands is known from the
// keys above it: [list] {event} {involvedObject}.
class EventListHandler final : public YAML::EventHandler {
 public:
  explicit EventListHandler(TextBuffer& text) : text_(text) {}

  std::vector<ClusterEvent> TakeEvents() { return std::move(events_); }

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
    if (levels_.size() != 1) return;
    events_.push_back(std::move(event_));
    if (events_.size() == kMaxListedEvents) throw ListIsFull();
  }

 private:
  struct Level {
    bool is_map = false;
    bool has_key = false;  // what comes next is the value of `key`
    std::string key;
  };

  void CountNode() {
    text_.OnProgress();
    if (++nodes_ > kMaxNodes) throw ListIsFull();
  }
  void Enter(bool is_map) {
    CountNode();
    if (levels_.size() == kMaxDepth) throw NotAList();
    levels_.push_back({is_map, false, ""});
  }
  void Leave() {
    levels_.pop_back();
    if (!levels_.empty()) levels_.back().has_key = false;
  }
  void Value(const std::string& value) {
    CountNode();
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
    }
  }
  void SetMember(const std::string& key, const std::string& value) {
    if (key == "message") event_.message = value;
    if (key == "namespace") event_.namespace_ = value;
    if (key == "reason") event_.reason = value;
    if (key == "type") event_.type = value;
    if (key == "timestamp") event_.timestamp = ReadTime(value);
  }
  void SetObjectMember(const std::string& key, const std::string& value) {
    if (key == "apiversion") event_.object.api_version = value;
    if (key == "kind") event_.object.kind = value;
    if (key == "name") event_.object.name = value;
    if (key == "namespace") event_.object.namespace_ = value;
    if (key == "uid") event_.object.uid = value;
  }

  TextBuffer& text_;
  std::size_t nodes_ = 0;
  std::vector<Level> levels_;
  ClusterEvent event_;
  std::vector<ClusterEvent> events_;
};

}  // namespace

std::optional<std::vector<ClusterEvent>> ReadEventList(std::string_view text) {
  TextBuffer buffer(text);
  std::istream stream(&buffer);
  EventListHandler handler(buffer);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(handler);
  } catch (const ListIsFull&) {
    return handler.TakeEvents();
  } catch (const NotAList&) {
    return std::nullopt;
  } catch (const YAML::Exception&) {
    return std::nullopt;
  }
  if (buffer.stopped()) return std::nullopt;
  return handler.TakeEvents();
}

}  // namespace runner::ingest
