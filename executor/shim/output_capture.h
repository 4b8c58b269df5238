#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/unique_fd.h"
#include "executor/shim/record.h"

namespace runner::executor {

// Keeps one output stream of an agent in a file of bounded size. The first half of the limit is
// written as it arrives; the last half is kept in memory and written at the end; if bytes between
// them are missing, a line reports how many. Append never fails, and blocks only for the disk.
// Bytes that cannot be written (disk full, no descriptor) count as dropped, and error() returns the
// cause.
//
// Memory: at most half the limit, and only once the first half is full. Single-threaded.
class OutputCapture {
 public:
  // Creates `name` (0600) in the directory `dir_fd`; never follows a symbolic link or opens an
  // existing file.
  OutputCapture(int dir_fd, const char* name, std::uint64_t limit);
  ~OutputCapture();
  OutputCapture(const OutputCapture&) = delete;
  OutputCapture& operator=(const OutputCapture&) = delete;

  void Append(const char* data, std::size_t size);
  // Writes the missing-bytes line and the last part. Call once, after the last Append.
  void Finish();

  // Final after Finish.
  StreamCount Count() const { return {total_, total_ - written_}; }
  // The first error that kept bytes out of the file, as an errno; 0 if there was none.
  int error() const { return error_; }

 private:
  // Writes nothing after the first error.
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
