#include "tests/sim/message.h"

#include <array>

namespace runner::sim {
namespace {

std::string ListOf(const std::vector<Lease>& leases) {
  std::string text = "[";
  for (const Lease& lease : leases) text += (text.size() == 1 ? "" : " ") + TextOf(lease);
  return text + "]";
}

struct Details {
  std::string operator()(const dispatch::Hello& m) const {
    return " " + m.executor_id + " boot=" + m.boot_id + " slots=" + std::to_string(m.slots) +
           (m.sidecar ? " sidecar" : "") + " running=" + ListOf(m.running) +
           " results=" + ListOf(m.results_waiting);
  }
  std::string operator()(const dispatch::Credits& m) const { return " " + std::to_string(m.total); }
  std::string operator()(const dispatch::KeepAlive& m) const { return " " + std::to_string(m.seq); }
  std::string operator()(const dispatch::Draining&) const { return ""; }
  std::string operator()(const dispatch::Rejected& m) const {
    return " " + TextOf(m.lease) + " " + std::string(dispatch::ToString(m.reason));
  }
  std::string operator()(const dispatch::Result& m) const {
    return " " + TextOf(m.lease) + " " + std::string(ToString(m.outcome.status)) + " " +
           m.outcome.reason + (m.outcome.contained ? "" : " not contained");
  }
  std::string operator()(const dispatch::Welcome& m) const {
    std::string text;
    for (const auto& [lease, keep] : m.decisions)
      text += " " + TextOf(lease) + (keep ? "=keep" : "=drop");
    return text;
  }
  std::string operator()(const dispatch::Cancel& m) const {
    return " " + TextOf(m.lease) + " " + std::string(dispatch::ToString(m.reason));
  }
  std::string operator()(const dispatch::KeepAliveAck& m) const {
    return " " + std::to_string(m.seq);
  }
  std::string operator()(const dispatch::Drain&) const { return ""; }
  template <typename WithLease>
  std::string operator()(const WithLease& m) const {
    return " " + TextOf(m.lease);
  }
};

}  // namespace

std::string_view NameOf(const UpMessage& message) {
  constexpr std::array<std::string_view, std::variant_size_v<UpMessage>> kNames = {
      "Hello", "Credits", "Accepted", "Rejected", "Started", "Result", "KeepAlive", "Draining"};
  return kNames[message.index()];
}

std::string_view NameOf(const DownMessage& message) {
  constexpr std::array<std::string_view, std::variant_size_v<DownMessage>> kNames = {
      "Welcome", "Offer", "KeepAliveAck", "ResultAck", "Cancel", "Drain"};
  return kNames[message.index()];
}

std::string TextOf(const Lease& lease) {
  return lease.incident_id + "/" + std::to_string(lease.attempt);
}

std::string TextOf(const UpMessage& message) {
  return std::string(NameOf(message)) + std::visit(Details{}, message);
}

std::string TextOf(const DownMessage& message) {
  return std::string(NameOf(message)) + std::visit(Details{}, message);
}

const Lease* LeaseOf(const UpMessage& message) {
  return std::visit(
      [](const auto& one) -> const Lease* {
        if constexpr (requires { one.lease; }) return &one.lease;
        return nullptr;
      },
      message);
}

}  // namespace runner::sim
