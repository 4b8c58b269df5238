#pragma once

#include <string>
#include <vector>

namespace runner::support {

struct HttpAnswer {
  long status = 0;  // 0: no response
  std::string body;
};

HttpAnswer HttpGet(const std::string& url);
// `headers`: "Name: value", in addition to those of libcurl.
HttpAnswer HttpPost(const std::string& url, const std::string& body,
                    const std::vector<std::string>& headers = {});

}  // namespace runner::support
