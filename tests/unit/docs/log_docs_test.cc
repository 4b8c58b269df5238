// docs/logs.md lists exactly the log messages of the sources, with their levels and fields.

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using ::testing::ContainerEq;
using ::testing::IsEmpty;

const std::filesystem::path kSources = RUNNER_SOURCE_DIR;

struct LogMessage {
  std::string level;
  std::set<std::string> fields;  // of all its calls

  bool operator==(const LogMessage&) const = default;
  friend void PrintTo(const LogMessage& message, std::ostream* out) {
    *out << message.level << ' ' << ::testing::PrintToString(message.fields);
  }
};
using LogMessages = std::map<std::string, LogMessage>;

// --- C++ as tokens ----------------------------------------------------------------------------

struct Token {
  enum class Kind { kWord, kText, kSign };
  Kind kind;
  std::string value;  // of a text without quotes

  bool IsSign(char sign) const { return kind == Kind::kSign && value[0] == sign; }
  bool IsWord(std::string_view word) const { return kind == Kind::kWord && value == word; }
  bool IsText() const { return kind == Kind::kText; }
};
using Tokens = std::vector<Token>;

// Comments and character literals are left out. Raw strings are not understood: none are used.
Tokens Tokenize(const std::string& code) {
  Tokens tokens;
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  for (std::size_t i = 0; i < code.size();) {
    if (std::isspace(static_cast<unsigned char>(code[i]))) {
      ++i;
    } else if (code.compare(i, 2, "//") == 0) {
      i = std::min(code.find('\n', i), code.size());
    } else if (code.compare(i, 2, "/*") == 0) {
      i = code.find("*/", i) + 2;
    } else if (code[i] == '"' || code[i] == '\'') {
      const std::size_t begin = i + 1;
      for (++i; code.at(i) != code[begin - 1]; ++i) i += code[i] == '\\' ? 1 : 0;
      if (code[begin - 1] == '"')
        tokens.push_back({Token::Kind::kText, code.substr(begin, i - begin)});
      ++i;
    } else if (is_word(code[i])) {
      const std::size_t begin = i;
      // The apostrophe of 1'000 belongs to the number.
      const bool number = std::isdigit(static_cast<unsigned char>(code[i])) != 0;
      while (i < code.size() && (is_word(code[i]) || (number && code[i] == '\''))) ++i;
      tokens.push_back({Token::Kind::kWord, code.substr(begin, i - begin)});
    } else {
      tokens.push_back({Token::Kind::kSign, code.substr(i++, 1)});
    }
  }
  return tokens;
}

// The arguments of the call or list whose bracket opens at `open`.
std::vector<Tokens> ArgumentsAt(const Tokens& tokens, std::size_t open) {
  std::vector<Tokens> arguments(1);
  int depth = 0;
  for (std::size_t i = open; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    const bool opens = token.IsSign('(') || token.IsSign('{') || token.IsSign('[');
    const bool closes = token.IsSign(')') || token.IsSign('}') || token.IsSign(']');
    depth += opens ? 1 : closes ? -1 : 0;
    if (depth == 0) break;
    if (depth == 1 && token.IsSign(',')) {
      arguments.emplace_back();
    } else if (i != open) {
      arguments.back().push_back(token);
    }
  }
  return arguments;
}

// The keys of {{"key", value}, ...} and of emplace_back("key", value).
std::set<std::string> KeysOf(const Tokens& tokens) {
  std::set<std::string> keys;
  for (std::size_t i = 1; i + 1 < tokens.size(); ++i) {
    const bool begins = tokens[i - 1].IsSign('{') || (i >= 2 && tokens[i - 1].IsSign('(') &&
                                                      tokens[i - 2].IsWord("emplace_back"));
    if (begins && tokens[i].IsText() && tokens[i + 1].IsSign(',')) keys.insert(tokens[i].value);
  }
  return keys;
}

// --- log calls --------------------------------------------------------------------------------

// Endings of the messages that the sources build at run time, by beginning.
const std::map<std::string, std::vector<std::string>> kEndings = {
    {"Circuit breaker ", {"opened", "half-open", "closed"}},
};

// Reads the calls of a Logger, and the messages that IngestLoop::LogLimited forwards to one. A call
// that cannot be read is a problem.
class LogCalls {
 public:
  void Add(const std::string& file, const std::string& code) {
    file_ = file;
    tokens_ = Tokenize(code);
    for (std::size_t i = 2; i + 1 < tokens_.size(); ++i) {
      const Token& word = tokens_[i];
      const bool opens = tokens_[i + 1].IsSign('(');
      const bool member =
          tokens_[i - 1].IsSign('.') || (tokens_[i - 1].IsSign('>') && tokens_[i - 2].IsSign('-'));
      if (opens && member && kLevels.contains(word.value)) {
        OnCall(i, kLevels.at(word.value), ArgumentsAt(tokens_, i + 1));
      } else if (opens && member && word.IsWord("Log")) {
        problems_.push_back(file_ + ": a call of Log, whose level this test cannot read");
      } else if (opens && word.IsWord("FormatLine")) {
        OnFormatLine(ArgumentsAt(tokens_, i + 1));
      } else if (opens && word.IsWord("LogLimited") && !tokens_[i - 1].IsSign(':')) {
        OnForwarded(ArgumentsAt(tokens_, i + 1));
      } else if (word.IsWord("McpWarning") && tokens_[i + 1].IsSign('{') &&
                 !tokens_[i - 1].IsWord("struct")) {
        OnForwarded(ArgumentsAt(tokens_, i + 1));
      }
    }
  }
  // The messages of a section of the page: of one program, or of both.
  LogMessages Of(const std::string& section) const {
    LogMessages messages;
    for (const auto& [message, call] : calls_) {
      const std::string where = call.folders.size() == 1 ? *call.folders.begin() : "common";
      if (kSections.at(where) == section) messages[message] = call.message;
    }
    const bool forwards = kSections.at("ingest") == section;
    for (const std::string& message : forwards ? forwarded_ : std::set<std::string>()) {
      messages[message] = forwarding_.value_or(LogMessage{"nothing logs it", {}});
    }
    return messages;
  }
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  struct Call {
    LogMessage message;
    std::set<std::string> folders;
  };
  static const inline std::map<std::string, std::string> kLevels = {
      {"Debug", "debug"}, {"Info", "info"}, {"Warn", "warn"}, {"Error", "error"}};
  static const inline std::map<std::string, std::string> kSections = {
      {"common", "Both programs"}, {"ingest", "runner-ingest"}, {"executor", "runner-executor"}};

  static std::optional<std::string> TextOf(const Tokens& tokens) {
    std::string text;
    for (const Token& token : tokens) {
      if (!token.IsText()) return std::nullopt;
      text += token.value;
    }
    return text;
  }

  void OnCall(std::size_t at, const std::string& level, const std::vector<Tokens>& arguments) {
    const Tokens& first = arguments[0];
    const std::set<std::string> fields = FieldsOf(at, arguments);
    if (const auto text = TextOf(first)) {
      Note(*text, level, fields);
    } else if (first[0].IsText() && first.size() > 1 && first[1].IsSign('+') &&
               kEndings.contains(first[0].value)) {
      for (const std::string& ending : kEndings.at(first[0].value)) {
        Note(first[0].value + ending, level, fields);
      }
    } else if (first.size() == 1 && first[0].IsWord("message") && IsIn("LogLimited", at)) {
      forwarding_ = LogMessage{level, fields};
    } else {
      problems_.push_back(file_ + ": a message that this test cannot read: " + first[0].value);
    }
  }
  // FormatLine(format, LogLevel::kWarn, "logger", "message", fields): the Logger's own message.
  void OnFormatLine(const std::vector<Tokens>& arguments) {
    if (arguments.size() != 5 || !TextOf(arguments[3])) return;  // of a Logger's caller
    Note(*TextOf(arguments[3]), kLevels.at(arguments[1].back().value.substr(1)),
         KeysOf(arguments[4]));
  }
  void OnForwarded(const std::vector<Tokens>& arguments) {
    const Tokens& first = arguments[0];
    if (const auto text = TextOf(first)) {
      forwarded_.insert(*text);
    } else if (!first[0].IsWord("const") && !first[0].IsWord("warning")) {
      problems_.push_back(file_ + ": a message that this test cannot read: " + first[0].value);
    }  // else a declaration, or a McpWarning that is read where it is made
  }

  // True if the latest member of IngestLoop that is defined before `at` has this name.
  bool IsIn(std::string_view name, std::size_t at) const {
    while (at > 1 && !(tokens_[at].IsSign(':') && tokens_[at - 1].IsSign(':') &&
                       tokens_[at - 2].IsWord("IngestLoop"))) {
      --at;
    }
    return tokens_[at + 1].IsWord(name);
  }

  // The fields in the call, in a variable that is filled before the call, or from a function.
  std::set<std::string> FieldsOf(std::size_t at, const std::vector<Tokens>& arguments) {
    if (arguments.size() < 2) return {};
    const Tokens& given = arguments[1];
    if (given[0].IsSign('{')) return KeysOf(given);
    if (given.back().IsSign(')') && given[given.size() - 3].IsWord("Effective")) return {};
    const std::string& name = given[0].value;
    for (std::size_t i = at; i > 0; --i) {
      if (!tokens_[i - 1].IsWord("LogFields") || !tokens_[i].IsWord(name)) continue;
      auto end = tokens_.begin() + static_cast<std::ptrdiff_t>(at);
      if (given.size() > 1) {  // a function, which is one return statement
        end = std::find_if(tokens_.begin() + static_cast<std::ptrdiff_t>(i), end,
                           [](const Token& token) { return token.IsSign(';'); });
      }
      return KeysOf(Tokens(tokens_.begin() + static_cast<std::ptrdiff_t>(i), end));
    }
    problems_.push_back(file_ + ": fields that this test cannot read: " + name);
    return {};
  }

  void Note(const std::string& text, const std::string& level,
            const std::set<std::string>& fields) {
    Call& call = calls_[text];
    if (!call.folders.empty() && call.message.level != level) {
      problems_.push_back(file_ + ": the message has two levels: " + text);
    }
    call.message.level = level;
    call.message.fields.insert(fields.begin(), fields.end());
    call.folders.insert(file_.substr(0, file_.find('/')));
  }

  std::string file_;
  Tokens tokens_;
  std::map<std::string, Call> calls_;
  std::set<std::string> forwarded_;
  std::optional<LogMessage> forwarding_;
  std::vector<std::string> problems_;
};

std::string ReadSource(const std::filesystem::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

LogCalls CallsOfTheSources() {
  LogCalls calls;
  for (const char* folder : {"common", "ingest", "executor"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kSources / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".cc" && extension != ".h") continue;
      calls.Add(entry.path().lexically_relative(kSources), ReadSource(entry.path()));
    }
  }
  return calls;
}

// --- the page ---------------------------------------------------------------------------------

using Row = std::vector<std::string>;

// The rows of the tables under the heading `## section` that begin with `code`.
std::vector<Row> RowsOf(const std::string& section) {
  std::istringstream page(ReadSource(kSources / "docs/logs.md"));
  std::vector<Row> rows;
  std::string heading;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) heading = line.substr(3);
    if (heading != section || !line.starts_with("| `")) continue;
    std::istringstream cells(line.substr(2));
    Row& row = rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, '|');) {
      const auto begin = cell.find_first_not_of(' ');
      const auto end = cell.find_last_not_of(' ');
      row.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
  }
  return rows;
}

// The `code` of a cell.
std::vector<std::string> CodeIn(const std::string& cell) {
  std::vector<std::string> spans;
  std::istringstream parts(cell);
  bool code = false;
  for (std::string part; std::getline(parts, part, '`'); code = !code) {
    if (code) spans.push_back(part);
  }
  return spans;
}

LogMessages MessagesOnThePage(const std::string& section) {
  LogMessages messages;
  for (const Row& row : RowsOf(section)) {
    EXPECT_EQ(row.size(), 5u) << row[0];
    if (row.size() != 5) continue;
    const std::vector<std::string> fields = CodeIn(row[2]);
    const std::string message = CodeIn(row[0]).at(0);
    EXPECT_TRUE(
        messages.emplace(message, LogMessage{row[1], {fields.begin(), fields.end()}}).second)
        << "twice: " << message;
    EXPECT_FALSE(row[3].empty() || row[4].empty()) << "no meaning, or nothing to do: " << message;
  }
  EXPECT_FALSE(messages.empty()) << section;
  return messages;
}

// One line for each message that only one of them has, or that differs.
std::vector<std::string> Differences(const LogMessages& page, const LogMessages& sources) {
  std::vector<std::string> differences;
  for (const auto& [text, message] : page) {
    const auto logged = sources.find(text);
    if (logged == sources.end()) {
      differences.push_back("nothing logs: " + text);
    } else if (logged->second != message) {
      differences.push_back(text + ": the page has " + ::testing::PrintToString(message) +
                            ", the sources have " + ::testing::PrintToString(logged->second));
    }
  }
  for (const auto& [text, message] : sources) {
    if (!page.contains(text)) differences.push_back("not on the page: " + text);
  }
  return differences;
}

TEST(LogDocs, ThePageListsTheMessagesOfTheSources) {
  const LogCalls calls = CallsOfTheSources();
  EXPECT_THAT(calls.problems(), IsEmpty());
  for (const char* section : {"Both programs", "runner-ingest", "runner-executor"}) {
    EXPECT_THAT(Differences(MessagesOnThePage(section), calls.Of(section)), IsEmpty()) << section;
  }
}

TEST(LogDocs, ThePageListsTheLinesOfTheShim) {
  std::set<std::string> printed;
  for (const Token& token : Tokenize(ReadSource(kSources / "executor/shim/main.cc"))) {
    const std::string& text = token.value;
    if (!token.IsText() || text.find('%') != std::string::npos) continue;
    if (text.starts_with("runner-shim: ")) printed.insert(text.substr(0, text.find("\\n")));
    if (text.ends_with(" failed")) printed.insert("runner-shim: " + text);
  }
  std::set<std::string> documented;
  for (const Row& row : RowsOf("runner-shim")) documented.insert(CodeIn(row[0]).at(0));
  EXPECT_FALSE(documented.empty());
  EXPECT_THAT(documented, ContainerEq(printed));
}

// The reader itself: a call that it cannot read is a problem.
TEST(LogDocs, ACallIsReadWithItsLevelAndFieldsOrIsAProblem) {
  LogCalls calls;
  calls.Add("ingest/a.cc", R"-(
    // logger.Info("A comment");
    void F() { LogFields fields = {{"first", 1'000}};
      if (more) fields.emplace_back("second", '"');
      logger_.Warn("One " "message", fields);
      failed->logger.Error("Another", {{"key", "value"}}); })-");
  calls.Add("executor/b.cc", R"-(void G() { logger.Error("Another", {{"other", 1}}); })-");
  EXPECT_THAT(calls.problems(), IsEmpty());
  EXPECT_THAT(calls.Of("runner-ingest"),
              ContainerEq(LogMessages{{"One message", {"warn", {"first", "second"}}}}));
  EXPECT_THAT(calls.Of("Both programs"),
              ContainerEq(LogMessages{{"Another", {"error", {"key", "other"}}}}));

  for (const char* code :
       {"x; logger.Info(text);", "x; logger.Info(\"Begin \" + text);",
        "x; logger.Log(level, \"Message\", {});", "x; LogLimited(text, cluster);",
        "x; McpWarning{text, detail};", "x; logger.Info(\"Message\", unknown);"}) {
    LogCalls unreadable;
    unreadable.Add("ingest/a.cc", code);
    EXPECT_EQ(unreadable.problems().size(), 1u) << code;
  }
}

}  // namespace
}  // namespace runner
