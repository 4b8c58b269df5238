#pragma once

#include <string>

namespace runner::support {

struct HttpAnswer {
  long status = 0;  // 0: there was none
  std::string body;
};

HttpAnswer HttpGet(const std::string& url);
HttpAnswer HttpPost(const std::string& url, const std::string& body);

}  // namespace runner::support
