// What an earlier executor has left in the spool.

#include <algorithm>
#include <map>
#include <string>
#include <system_error>

#include "executor/runs/finalize_run.h"
#include "executor/runs/supervisor.h"

namespace runner::executor {

std::vector<std::pair<Lease, Outcome>> Supervisor::Recover() {
  std::vector<std::pair<Lease, Outcome>> recovered;
  if (!spool_.Claim()) {
    logger_.Warn(
        "Another executor uses this workspace root; results of an earlier one are left to it",
        {{"workspace_root", options_.workspace_root.string()}});
    return recovered;
  }
  std::map<std::string, Lease> latest;  // by incident: the one that the workspace belongs to
  const Spool::Stock stock = spool_.Records();
  if (stock.list_errno != 0) {
    logger_.Error("Spool could not be read",
                  {{"error", std::generic_category().message(stock.list_errno)}});
  }
  const Spool::Strangers& strangers = stock.strangers;
  if (!strangers.names.empty() || stock.unreadable != 0) {
    logger_.Warn("Unusable spool entries moved aside", {{"entries", strangers.moved},
                                                        {"failed", strangers.failed},
                                                        {"unreadable", stock.unreadable},
                                                        {"directory", strangers.directory},
                                                        {"names", strangers.names}});
  }
  for (const auto& [lease, record] : stock.records) {
    Lease& last = latest[lease.incident_id];
    last = std::max(last, lease);
  }
  for (const auto& [lease, record] : stock.records) {
    std::optional<Workspace> workspace;
    if (latest.at(lease.incident_id) == lease) {
      workspace = Workspace::Open(options_.workspace_root, lease.incident_id);
    }
    RunEnd end;
    end.record = record;
    end.contained = record.contained;
    if (!record.contained) {
      logger_.Error("An earlier run was not contained by its shim",
                    {{"incident_id", lease.incident_id}, {"attempt", lease.attempt}});
    }
    recovered.emplace_back(
        lease, FinalizeRun(options_, lease, end, workspace ? &*workspace : nullptr).outcome);
  }
  return recovered;
}

}  // namespace runner::executor
