#pragma once

#include <cstdint>

namespace runner {

// The soft limit of open file descriptors (getrlimit(2), RLIMIT_NOFILE); 0 when it is not known.
std::uint64_t DescriptorLimit();

// Raises the soft limit of open file descriptors to the hard limit (setrlimit(2), RLIMIT_NOFILE),
// as far as the kernel permits, and returns what holds now. The soft limit is kept low by default
// for the sake of select(2), which is not used here. Children inherit the limit: a program that
// starts others gives them what DescriptorLimit returned before.
std::uint64_t RaiseDescriptorLimit();

// Opens /dev/null in the place of each standard descriptor that is closed: else the next file or
// connection gets its number, and what is meant for stderr.
void OpenStandardDescriptors();

}  // namespace runner
