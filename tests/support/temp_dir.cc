#include "tests/support/temp_dir.h"

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

#include <stdlib.h>

namespace runner::support {

TempDir::TempDir() {
  std::string pattern = std::filesystem::temp_directory_path() / "runner-e2e.XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), pattern);
  }
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  // A read error, as for a process that has ended, counts as the end of the file.
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void WriteFile(const std::filesystem::path& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  if (!stream) throw std::runtime_error("cannot write " + file.string());
}

}  // namespace runner::support
