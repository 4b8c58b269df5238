#include "common/config_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <fcntl.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "common/config_values.h"
#include "common/unique_fd.h"

namespace runner {
namespace {

using Kind = FileValue::Kind;

// Values that a file holds by itself stay far below: only aliases of aliases come here.
constexpr std::size_t kMaxExpandedSize = 16 * kMaxConfigFileBytes;

// What makes the whole file unreadable although it is YAML.
class Refusal : public std::runtime_error {
 public:
  Refusal(const YAML::Mark& mark, const std::string& what)
      : std::runtime_error(what), line(mark.line + 1) {}

  const int line;
};

// Builds the tree from the events of the parser. Events instead of YAML::Node, because a node does
// not know its line once it is shared, and looks keys up one after the other.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const FileProblems& problems) : problems_(problems) {}

  FileValue::Ptr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw Refusal(mark, "a second document begins; allowed: one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Finish(New(Kind::kNothing, mark), anchor, mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                const std::string& text) override {
    auto value = New(Kind::kText, mark);
    value->text = text;
    value->size += text.size();
    Finish(std::move(value), anchor, mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refusal(mark, "an alias stands within its own anchor");
    // A key is copied, so one long key behind many short aliases would grow without bound.
    if (AwaitsKey()) throw Refusal(mark, "an alias stands for a key; allowed: the key itself");
    Place(found->second, mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Begin(Kind::kList, mark, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Begin(Kind::kMap, mark, anchor);
  }
  void OnSequenceEnd() override { End(); }
  void OnMapEnd() override { End(); }

 private:
  // A list or map whose end has not come.
  struct Open {
    std::shared_ptr<FileValue> value;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    // Maps only: a key was read, its value comes next. Empty when the key is a problem.
    bool has_key = false;
    std::optional<FileValue::Entry> entry = {};
    std::unordered_map<std::string, int> lines = {};  // of the keys so far
  };

  static std::shared_ptr<FileValue> New(Kind kind, const YAML::Mark& mark) {
    auto value = std::make_shared<FileValue>();
    value->kind = kind;
    value->line = mark.line + 1;
    return value;
  }

  bool AwaitsKey() const {
    return !open_.empty() && open_.back().value->kind == Kind::kMap && !open_.back().has_key;
  }

  void Begin(Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    open_.push_back({.value = New(kind, mark), .mark = mark, .anchor = anchor});
  }

  void End() {
    const Open ended = std::move(open_.back());
    open_.pop_back();
    Finish(ended.value, ended.anchor, ended.mark);
  }

  void Finish(FileValue::Ptr value, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (anchor != 0) anchors_[anchor] = value;
    Place(std::move(value), mark);
  }

  void Place(FileValue::Ptr value, const YAML::Mark& mark) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    if (AwaitsKey()) {
      TakeKey(*value, mark);
      return;
    }
    Open& parent = open_.back();
    parent.value->size += value->size;
    if (parent.value->size > kMaxExpandedSize) {
      throw Refusal(mark, "aliases of aliases make the file too large");
    }
    parent.has_key = false;
    if (parent.value->kind == Kind::kList) {
      parent.value->items.push_back(std::move(value));
    } else if (parent.entry) {
      parent.entry->value = std::move(value);
      parent.value->entries.push_back(*std::exchange(parent.entry, std::nullopt));
    }
  }

  void TakeKey(const FileValue& key, const YAML::Mark& mark) {
    Open& map = open_.back();
    map.has_key = true;
    const int line = mark.line + 1;
    if (key.kind != Kind::kText) {
      problems_.Add(line, "a key is not a word; allowed: key: value");
      return;
    }
    map.value->size += key.text.size();
    const auto [first, is_new] = map.lines.emplace(key.text, line);
    if (is_new) {
      map.entry = FileValue::Entry{key.text, line, nullptr};
    } else {
      problems_.Add(line, QuoteValue(key.text) + ": this key stands in line " +
                              std::to_string(first->second) + " already; allowed: once");
    }
  }

  const FileProblems& problems_;
  int documents_ = 0;
  FileValue::Ptr root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, FileValue::Ptr> anchors_;  // of values that have ended
};

std::string_view Name(Kind kind) {
  switch (kind) {
    case Kind::kNothing:
      return "nothing";
    case Kind::kText:
      return "a single value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "";
}

// The content, or why it cannot be read.
std::pair<std::string, std::string> ReadBounded(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {"", std::strerror(errno)};
  std::string content(kMaxConfigFileBytes + 1, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = ::read(file.Get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {"", std::strerror(errno)};
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxConfigFileBytes) {
    return {"", "is larger than " + std::to_string(kMaxConfigFileBytes) + " bytes"};
  }
  content.resize(size);
  return {std::move(content), ""};
}

}  // namespace

FileValue::Ptr ReadConfigFile(const std::string& path, const FileProblems& problems) {
  const auto [content, error] = ReadBounded(path);
  if (error.empty()) return ParseConfigFile(content, problems);
  problems.Add("--config: " + QuoteValue(path) + " cannot be read: " + error);
  return nullptr;
}

FileValue::Ptr ParseConfigFile(std::string_view content, const FileProblems& problems) {
  TreeBuilder tree(problems);
  try {
    std::istringstream stream{std::string(content)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(tree)) continue;
  } catch (const YAML::Exception& error) {
    problems.Add(std::max(error.mark.line, 0) + 1, "is not YAML: " + error.msg);
    return nullptr;
  } catch (const Refusal& refusal) {
    problems.Add(refusal.line, refusal.what());
    return nullptr;
  }
  FileValue::Ptr root = tree.root();
  if (root == nullptr || root->kind == Kind::kNothing) {
    auto empty = std::make_shared<FileValue>();
    empty->kind = Kind::kMap;
    return empty;
  }
  if (const auto problem = WrongKind(*root, Kind::kMap)) {
    problems.Add(root->line, "the file " + *problem);
    return nullptr;
  }
  return root;
}

std::optional<std::string> WrongKind(const FileValue& value, Kind allowed) {
  if (value.kind == allowed) return std::nullopt;
  std::string problem = value.kind == Kind::kNothing ? "has no value" : "is ";
  if (value.kind != Kind::kNothing) problem += Name(value.kind);
  return problem.append("; allowed: ").append(Name(allowed));
}

std::string UnknownKey(const std::string& key, const std::vector<std::string>& known) {
  const auto nearest = NearestWord(key, known);
  return QuoteValue(key) + ": unknown key; " +
         (nearest ? "did you mean " + *nearest + "?" : "see --help");
}

}  // namespace runner
