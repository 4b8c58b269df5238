#pragma once

#include <sys/fsuid.h>
#include <sys/types.h>

namespace runner::executor {

// Root may read every file: during the lifetime of the object, file access is that of another user.
class AsNobody {
 public:
  AsNobody() : before_(::setfsuid(kNobody)) {}
  ~AsNobody() { ::setfsuid(static_cast<uid_t>(before_)); }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  static constexpr uid_t kNobody = 65534;

 private:
  const int before_;
};

}  // namespace runner::executor
