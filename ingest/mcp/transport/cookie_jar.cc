#include "ingest/mcp/transport/cookie_jar.h"

#include <numeric>
#include <stdexcept>
#include <utility>

#include "ingest/mcp/transport/http_options.h"

namespace runner::ingest {
namespace {

std::vector<std::string> CookiesOf(CURL* easy) {
  curl_slist* list = nullptr;
  ::curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &list);
  const CurlList owned(list);
  std::vector<std::string> cookies;
  for (const curl_slist* one = list; one != nullptr; one = one->next)
    cookies.emplace_back(one->data);
  return cookies;
}

std::size_t BytesOf(const std::vector<std::string>& cookies) {
  return std::accumulate(cookies.begin(), cookies.end(), std::size_t{0},
                         [](std::size_t sum, const std::string& one) { return sum + one.size(); });
}

}  // namespace

CookieJar::CookieJar() : share_(::curl_share_init()) {
  if (share_ == nullptr) throw std::runtime_error("curl_share_init failed");
  ::curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
}

CookieJar::~CookieJar() { ::curl_share_cleanup(share_); }

void CookieJar::Attach(CURL* easy) {
  SetOption(easy, CURLOPT_SHARE, share_);
  SetOption(easy, CURLOPT_COOKIEFILE, "");  // no file: this switches cookies on
}

void CookieJar::OnSet(CURL* easy) {
  std::vector<std::string> cookies = CookiesOf(easy);
  if (cookies.size() <= kMaxCookies && BytesOf(cookies) <= kMaxBytes) {
    kept_ = std::move(cookies);
    return;
  }
  SetOption(easy, CURLOPT_COOKIELIST, "ALL");  // erases them
  for (const std::string& cookie : kept_) SetOption(easy, CURLOPT_COOKIELIST, cookie.c_str());
}

std::vector<std::string> CookieJar::Values() const {
  std::vector<std::string> values;
  values.reserve(kept_.size());
  for (const std::string& cookie : kept_) values.push_back(cookie.substr(cookie.rfind('\t') + 1));
  return values;
}

}  // namespace runner::ingest
