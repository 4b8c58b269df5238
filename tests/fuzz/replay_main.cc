// Runs a fuzz target once over each of the given files, and over the files of the given folders, in
// sorted order. Built wherever libFuzzer is not.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

// NOLINTNEXTLINE(readability-redundant-declaration): in one unit with the target
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

// Hidden files, such as .gitattributes, are no inputs.
bool IsInput(const fs::directory_entry& entry) {
  return entry.is_regular_file() && !entry.path().filename().string().starts_with('.');
}

bool Collect(const fs::path& path, std::vector<fs::path>& files) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) {
    files.push_back(path);
  } else if (fs::is_directory(path, error)) {
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (IsInput(entry)) files.push_back(entry.path());
    }
  } else {
    std::fprintf(stderr, "%s: no such file or folder\n", path.c_str());
    return false;
  }
  return true;
}

bool Replay(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) {
    std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
    return false;
  }
  // An exact copy on the heap, so that the address sanitizer sees a read past its end.
  const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  bool ok = true;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) ok = Collect(argv[i], files) && ok;
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "usage: %s FILE-OR-FOLDER...: not a single input\n", argv[0]);
    return 1;
  }
  for (const fs::path& path : files) {
    std::printf("%s\n", path.c_str());
    std::fflush(stdout);  // the last line names the input that ended the program
    ok = Replay(path) && ok;
  }
  std::printf("replayed %zu inputs\n", files.size());
  return ok ? 0 : 1;
}
