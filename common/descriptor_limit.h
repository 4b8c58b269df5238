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

}  // namespace runner
