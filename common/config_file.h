#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runner {

// One value of a configuration file, with what lies below it. A value that stands behind a YAML
// anchor is shared by all its aliases: reading is cheap, copying need not be.
struct FileValue {
  enum class Kind { kNothing, kText, kList, kMap };
  using Ptr = std::shared_ptr<const FileValue>;
  struct Entry {
    std::string key;
    int line = 0;
    Ptr value;
  };

  Kind kind = Kind::kNothing;
  int line = 0;                // the first one is 1
  std::string text;            // kText
  std::vector<Ptr> items;      // kList
  std::vector<Entry> entries;  // kMap: in the order of the file, each key once
  std::size_t size = 1;        // how large it would be with a copy in the place of every alias
};

// Where problems of one file are put.
class FileProblems {
 public:
  FileProblems(std::string file, std::vector<std::string>* into)
      : file_(std::move(file)), into_(into) {}

  // FILE:LINE, as problems begin.
  std::string Place(int line) const { return file_ + ':' + std::to_string(line); }
  void Add(int line, const std::string& problem) const { Add(Place(line) + ": " + problem); }
  // One that has no place in the file.
  void Add(std::string problem) const { into_->push_back(std::move(problem)); }

 private:
  std::string file_;
  std::vector<std::string>* into_;
};

inline constexpr std::size_t kMaxConfigFileBytes = std::size_t{1} << 20;

// Reads a file of YAML: one document, which is a map or empty. Null when it could not be read,
// which is a problem; a key that stands twice is one as well, and its first value counts. Hostile
// input costs time and memory linear in kMaxConfigFileBytes.
FileValue::Ptr ReadConfigFile(const std::string& path, const FileProblems& problems);
// The same for what a file holds.
FileValue::Ptr ParseConfigFile(std::string_view content, const FileProblems& problems);

// What is wrong when the value must be of this kind: "is a map; allowed: a single value".
std::optional<std::string> WrongKind(const FileValue& value, FileValue::Kind allowed);
// The problem of a key that is none of those known, with the one that was probably meant.
std::string UnknownKey(const std::string& key, const std::vector<std::string>& known);

}  // namespace runner
