#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/unique_fd.h"
#include "executor/shim/record.h"

namespace runner::executor {

// Keeps one output stream of an agent in a file of bounded size: the first half of the limit as it
// arrives, the last half from memory at the end, and between them, when something is missing, a
// line that says how much. Appending never fails and never waits for anything but the disk: what
// cannot be written (disk full, no descriptor) is counted as dropped, and error() says why.
//
// Memory: at most half the limit, and only once the first half is full. Single-threaded.
class OutputCapture {
 public:
  // Creates `name` (0600) in the directory `dir_fd`; never through a symbolic link, never an
  // existing file.
  OutputCapture(int dir_fd, const char* name, std::uint64_t limit);
  ~OutputCapture();
  OutputCapture(const OutputCapture&) = delete;
  OutputCapture& operator=(const OutputCapture&) = delete;

  void Append(const char* data, std::size_t size);
  // Writes the missing-bytes line and the last part. Call once, after the last Append.
  void Finish();

  // Complete after Finish.
  StreamCount Count() const { return {total_, total_ - written_}; }
  // The first error that kept bytes out of the file, as an errno; 0 when there was none.
  int error() const { return error_; }

 private:
  // After the first error nothing is written any more.
  void Write(const char* data, std::size_t size);
  void AppendToTail(const char* data, std::size_t size);

  UniqueFd file_;
  int error_ = 0;
  const std::uint64_t head_limit_;
  const std::uint64_t tail_limit_;
  std::uint64_t total_ = 0;
  std::uint64_t written_ = 0;  // bytes of the stream in the file
  std::uint64_t tail_total_ = 0;
  char* tail_ = nullptr;  // ring of tail_limit_ bytes, mapped on first use
};

}  // namespace runner::executor
