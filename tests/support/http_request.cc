#include "tests/support/http_request.h"

#include <memory>

#include <curl/curl.h>

namespace runner::support {
namespace {

std::size_t Append(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

HttpAnswer Perform(const std::string& url, const std::string* body,
                   const std::vector<std::string>& headers) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> list(nullptr, curl_slist_free_all);
  for (const std::string& header : headers) {
    // Returns the list that was passed, extended.
    curl_slist* longer = curl_slist_append(list.get(), header.c_str());
    static_cast<void>(list.release());
    list.reset(longer);
  }
  HttpAnswer answer;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, 10L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, Append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, list.get());
  if (body != nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_POST, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body->data());
  }
  if (curl_easy_perform(curl.get()) != CURLE_OK) return {};
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

}  // namespace

HttpAnswer HttpGet(const std::string& url) { return Perform(url, nullptr, {}); }

HttpAnswer HttpPost(const std::string& url, const std::string& body,
                    const std::vector<std::string>& headers) {
  return Perform(url, &body, headers);
}

}  // namespace runner::support
