#pragma once

#include <cstdint>

namespace runner {

// The soft limit of open file descriptors (getrlimit(2), RLIMIT_NOFILE); 0 if it is unknown.
std::uint64_t DescriptorLimit();

// Raises the soft limit of open file descriptors to the hard limit (setrlimit(2), RLIMIT_NOFILE),
// as far as the kernel permits, and returns the limit now in force. The default is low because of
// select(2), which this project does not use. Child processes inherit the limit: a program that
// starts others must restore the value that DescriptorLimit returned before.
std::uint64_t RaiseDescriptorLimit();

// Opens /dev/null for each standard descriptor that is closed. Otherwise the next file or
// connection would get its number and receive what is written to stderr.
void OpenStandardDescriptors();

}  // namespace runner
