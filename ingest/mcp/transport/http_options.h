#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include <curl/curl.h>

#include "ingest/mcp/transport/http_request.h"

namespace runner::ingest {

// Throws std::runtime_error when libcurl refuses, which is a defect.
template <typename Value>
void SetOption(CURL* easy, CURLoption option, Value value) {
  if (const CURLcode code = ::curl_easy_setopt(easy, option, value); code != CURLE_OK) {
    throw std::runtime_error(std::string("curl_easy_setopt: ") + ::curl_easy_strerror(code));
  }
}

struct FreeCurlList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, FreeCurlList>;

// Sets all options of a request but the receivers of the answer. `request.body` and the returned
// headers outlive the transfer.
CurlList SetRequest(CURL* easy, const HttpRequest& request);

// Sets what libcurl 7.88 has no options for on the socket of a stream: together with the keepalive
// probes that SetRequest turns on, a vanished peer is detected within a minute.
void WatchPeer(int socket);

}  // namespace runner::ingest
