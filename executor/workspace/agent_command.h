#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace runner::executor {

// Why a command cannot be used, as a sentence without its full stop.
struct CommandError {
  std::string message;
};

// Splits a command line into words as a POSIX shell would (Shell Command Language, 2.2 Quoting:
// blanks, '...', "...", backslash, backslash-newline), and does nothing else: no variables, globs,
// substitutions, comments or operators; those characters are ordinary.
std::variant<std::vector<std::string>, CommandError> SplitCommand(std::string_view line);

// The absolute path of a program: `name` itself when it has a slash, else the first match in
// `search_path` (as $PATH: colon-separated, an empty entry is the working directory). The file must
// be a regular one that this process may execute. Symbolic links are not resolved.
std::variant<std::string, CommandError> ResolveProgram(const std::string& name,
                                                       std::string_view search_path);

}  // namespace runner::executor
