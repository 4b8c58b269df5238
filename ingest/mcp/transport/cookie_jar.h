#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <curl/curl.h>

namespace runner::ingest {

// The cookies of one session with one server, such as those by which a load balancer finds the
// replica that has the session. libcurl reads, keeps and sends them (RFC 6265: Path, Secure,
// Max-Age, Expires; one for another host is ignored). All requests of a session go to one origin,
// so nothing leaves it. Nothing is written to a disk.
//
// Belongs to one thread. Outlives the requests that it was attached to.
class CookieJar {
 public:
  // The excess of a server that sets more is dropped; earlier cookies stay.
  static constexpr std::size_t kMaxCookies = 32;
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 10;

  // Throws std::runtime_error when libcurl cannot be set up.
  CookieJar();
  ~CookieJar();
  CookieJar(const CookieJar&) = delete;
  CookieJar& operator=(const CookieJar&) = delete;

  // To be called before the request starts.
  void Attach(CURL* easy);
  // An answer to this request has set cookies: holds them to the bounds.
  void OnSet(CURL* easy);

  // The values, which are secrets.
  std::vector<std::string> Values() const;

 private:
  CURLSH* const share_;
  std::vector<std::string> kept_;  // each a line in the format of Netscape's cookie file
};

}  // namespace runner::ingest
