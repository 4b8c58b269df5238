#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace runner::executor {

// Why a command cannot be used: a sentence without full stop.
struct CommandError {
  std::string message;
};

// Splits a command line into words as a POSIX shell does (Shell Command Language, 2.2 Quoting:
// blanks, '...', "...", backslash, backslash-newline). Variables, globs, substitutions, comments
// and operators are not supported; their characters are ordinary.
std::variant<std::vector<std::string>, CommandError> SplitCommand(std::string_view line);

// Returns the absolute path of a program: `name` itself if it contains a slash, else the first
// match in `search_path` (as $PATH: colon-separated, an empty entry is the working directory). The
// file must be a regular file that this process may execute. Symbolic links are not resolved.
std::variant<std::string, CommandError> ResolveProgram(const std::string& name,
                                                       std::string_view search_path);

}  // namespace runner::executor
