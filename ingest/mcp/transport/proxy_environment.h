#pragma once

#include <functional>
#include <optional>
#include <string>

namespace runner::ingest {

using ProxyLookup = std::function<std::optional<std::string>(const char* name)>;

// The proxy of a URL by the environment; empty: none, the server is reached directly. libcurl's own
// reading of the variables is turned off.
//
// The proxy is in http_proxy or HTTP_PROXY for http, https_proxy or HTTPS_PROXY for https, else in
// all_proxy or ALL_PROXY. A variable that is set and empty counts as not set.
//
// NO_PROXY, else no_proxy, is read as by the tools of Kubernetes, that is by Go
// (golang.org/x/net/http/httpproxy): a comma list of
//
//   *                      everything
//   example.com            the host and what is below it
//   .example.com           what is below it, also written *.example.com
//   10.1.2.3, 2001:db8::1  an address
//   10.0.0.0/8             a range of addresses
//
// each but `*` and ranges also with a port, `example.com:8080` or `[2001:db8::1]:8080`. Blanks and
// case do not matter, and other entries are ignored. Ranges and addresses match only an address in
// the URL: names are not looked up. This machine (localhost, 127.0.0.0/8, ::1) is
// never reached through a proxy. Pure.
std::string ProxyFor(const std::string& url, const ProxyLookup& environment);

// Returns the error in that proxy, behind the name of the variable, or nothing. Shows no password.
std::optional<std::string> ValidateProxyFor(const std::string& url, const ProxyLookup& environment);

}  // namespace runner::ingest
