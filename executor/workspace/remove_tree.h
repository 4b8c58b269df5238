#pragma once

#include <atomic>
#include <string>

namespace runner::executor {

// Removes the entry `name` of the directory `dir_fd` with everything beneath, at any depth and
// whatever its permissions. Neither follows a symbolic link nor enters a mount, even while entries
// are swapped. Uses a few descriptors and constant memory. Returns an errno; 0 if the entry is
// gone; EAGAIN after 10,000,000 entries or once `stop` is true (any thread may set it): the next
// call continues there.
int RemoveTree(int dir_fd, const std::string& name, const std::atomic<bool>* stop = nullptr);

}  // namespace runner::executor
