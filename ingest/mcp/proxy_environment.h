#pragma once

#include <functional>
#include <optional>
#include <string>

namespace runner::ingest {

using ProxyLookup = std::function<std::optional<std::string>(const char* name)>;

// What CURLOPT_PROXY is to be set to, so that the environment means what it means to the tools of
// Kubernetes. Nothing: libcurl finds it by itself (http_proxy, https_proxy, HTTPS_PROXY, all_proxy,
// ALL_PROXY; no_proxy, NO_PROXY apply to whatever is found here, too).
//
// Two things are not libcurl's way: HTTP_PROXY in upper case counts (libcurl fears CGI, where a
// client could set it), and this machine itself is never reached through a proxy (then: ""). Pure.
std::optional<std::string> ProxyFor(const std::string& url, const ProxyLookup& environment);

}  // namespace runner::ingest
