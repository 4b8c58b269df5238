#pragma once

#include <atomic>
#include <string>

namespace runner::executor {

// Removes what is called `name` in the directory `dir_fd`, with everything beneath, be it nested
// however deep and without permissions. Neither follows a symbolic link nor enters a mount, even
// while entries are being swapped. A handful of descriptors and constant memory, whatever the tree.
// An errno; 0 when it is gone; EAGAIN after 10,000,000 entries or once `stop` is true (any thread
// may set it), where the next call goes on.
int RemoveTree(int dir_fd, const std::string& name, const std::atomic<bool>* stop = nullptr);

}  // namespace runner::executor
