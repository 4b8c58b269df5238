#include "executor/workspace/agent_command.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace runner::executor {
namespace {

class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  std::variant<std::vector<std::string>, CommandError> Split() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '\0') return CommandError{"the command contains a NUL byte"};
      if (c == ' ' || c == '\t' || c == '\n') {
        EndWord();
      } else if (c == '\'') {
        if (!SingleQuoted()) return CommandError{"a single quote is not closed"};
      } else if (c == '"') {
        if (!DoubleQuoted()) return CommandError{"a double quote is not closed"};
      } else if (c == '\\') {
        if (at_ == line_.size()) return CommandError{"the command ends in a backslash"};
        if (line_[at_] != '\n') Word() += line_[at_];
        ++at_;
      } else {
        Word() += c;
      }
    }
    EndWord();
    if (words_.empty()) return CommandError{"the command is empty"};
    return std::move(words_);
  }

 private:
  std::string& Word() { return word_ ? *word_ : word_.emplace(); }

  void EndWord() {
    if (word_) words_.push_back(*std::exchange(word_, std::nullopt));
  }

  bool SingleQuoted() {
    const std::size_t end = line_.find('\'', at_);
    if (end == std::string_view::npos) return false;
    Word() += line_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }

  bool DoubleQuoted() {
    std::string& word = Word();
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '"') return true;
      if (c != '\\' || at_ == line_.size()) {
        word += c;
        continue;
      }
      const char next = line_[at_++];
      if (next == '\n') continue;
      if (std::strchr("$`\"\\", next) == nullptr) word += '\\';
      word += next;
    }
    return false;
  }

  const std::string_view line_;
  std::size_t at_ = 0;
  std::optional<std::string> word_;  // set once a word has begun; it may be empty
  std::vector<std::string> words_;
};

// Returns an errno; 0: the file can be executed.
int CheckExecutable(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

std::string Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

}  // namespace

std::variant<std::vector<std::string>, CommandError> SplitCommand(std::string_view line) {
  return Splitter(line).Split();
}

std::variant<std::string, CommandError> ResolveProgram(const std::string& name,
                                                       std::string_view search_path) {
  if (name.empty()) return CommandError{"the program name is empty"};
  if (name.find('/') != std::string::npos) {
    const int error = CheckExecutable(name);
    if (error == 0) return Absolute(name);
    return CommandError{"cannot execute " + name + ": " + std::generic_category().message(error)};
  }
  int worst = ENOENT;
  for (std::size_t at = 0; at <= search_path.size();) {
    const std::size_t end = std::min(search_path.find(':', at), search_path.size());
    const std::string_view directory = search_path.substr(at, end - at);
    const std::string path = std::string(directory.empty() ? "." : directory) + "/" + name;
    const int error = CheckExecutable(path);
    if (error == 0) return Absolute(path);
    if (error != ENOENT && error != ENOTDIR) worst = error;
    at = end + 1;
  }
  if (worst == ENOENT) return CommandError{"program " + name + " not found on PATH"};
  return CommandError{"cannot execute " + name +
                      " found on PATH: " + std::generic_category().message(worst)};
}

}  // namespace runner::executor
