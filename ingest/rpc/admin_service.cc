#include "ingest/rpc/admin_service.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include "common/base/utf8.h"
#include "common/base/values.h"
#include "common/loop/call_on_loop.h"
#include "common/observability/build_info.h"
#include "common/rpc/wire.h"
#include "ingest/mcp/protocol/fault_decoder.h"

namespace runner::ingest {
namespace {

constexpr Duration kRpcTimeout = std::chrono::seconds(1);
constexpr std::uint32_t kDefaultLimit = 100;
constexpr std::uint32_t kMaxLimit = 1000;
constexpr std::uint32_t kDefaultExplanations = 10;
constexpr std::uint32_t kMaxExplanations = 100;

// gRPC limits a message to 4 MiB by default.
constexpr std::size_t kMaxAnswerBytes = std::size_t{3} << 20;
constexpr std::size_t kMaxExecutorsBytes = std::size_t{512} << 10;
constexpr std::size_t kEntryOverhead = 8;  // tag and length of a list entry

// Limits the entries and bytes of one page of a list.
class PageLimit {
 public:
  PageLimit(std::uint32_t max_entries, std::size_t max_bytes)
      : max_entries_(max_entries), max_bytes_(max_bytes) {}

  // Returns false if the entry belongs to the next page. The first entry always fits.
  bool Add(std::size_t bytes) {
    if (entries_ != 0 && ((max_entries_ != 0 && entries_ >= max_entries_) ||
                          bytes_ + bytes + kEntryOverhead > max_bytes_)) {
      return false;
    }
    ++entries_;
    bytes_ += bytes + kEntryOverhead;
    return true;
  }

 private:
  const std::uint32_t max_entries_;  // 0: unlimited
  const std::size_t max_bytes_;
  std::uint32_t entries_ = 0;
  std::size_t bytes_ = 0;
};

// Returns the index of the first cluster of the page, or nothing if the token is invalid. Indexes
// are never reused, so a token stays valid while clusters are added and removed.
std::optional<ClusterIndex> ParsePageToken(const std::string& token) {
  ClusterIndex begin = 0;
  const char* const end = token.data() + token.size();
  if (token.empty()) return begin;
  const auto [rest, error] = std::from_chars(token.data(), end, begin);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return begin;
}

grpc::Status InvalidPageToken(const std::string& token) {
  return {grpc::StatusCode::INVALID_ARGUMENT,
          "page_token: invalid value " + QuoteValue(token) +
              "; expected the next_page_token of an earlier response"};
}

grpc::Status Busy() { return {grpc::StatusCode::UNAVAILABLE, "ingest is busy or shutting down"}; }

grpc::Status NoSuchCluster(const std::string& name) {
  return {grpc::StatusCode::NOT_FOUND,
          "unknown cluster " + QuoteValue(name) + "; expected a configured one"};
}

v1::IncidentStatus ToStatus(const IncidentRecord& record, bool whole) {
  v1::IncidentStatus status;
  *status.mutable_incident() = ToProto(record.incident);
  status.set_state(std::string(ToString(record.state)));
  if (record.status) status.set_status(std::string(ToString(*record.status)));
  status.set_reason(record.reason);
  status.set_attempt(record.attempt);
  status.set_executor_id(record.executor_id);
  if (record.outcome) *status.mutable_outcome() = ToProto(*record.outcome);
  if (!whole) {
    status.mutable_incident()->clear_context();
    if (status.has_outcome()) status.mutable_outcome()->clear_report();
  }
  return status;
}

// The query may contain a secret.
std::string WithoutQuery(const std::string& url) { return url.substr(0, url.find_first_of("?#")); }

v1::ClusterConnection ToConnection(const std::string& name, const std::string& endpoint,
                                   const ConnectionState& state, MonoTime now) {
  v1::ClusterConnection connection;
  connection.set_name(name);
  connection.set_endpoint(WithoutQuery(endpoint));
  connection.set_state(std::string(state.Word(now)));
  *connection.mutable_in_state() = ToProto(now - state.since);
  connection.set_mode(state.facts.mode);
  connection.set_transport(state.facts.transport);
  connection.set_protocol_version(state.facts.protocol_version);
  connection.set_session_id(state.facts.session_id);
  if (state.last_event) *connection.mutable_last_event_at() = ToProto(*state.last_event);
  connection.set_last_error(state.last_error);
  connection.set_attempt(static_cast<std::uint32_t>(state.attempt));
  if (state.next_retry && now < *state.next_retry) {
    *connection.mutable_next_retry_in() = ToProto(*state.next_retry - now);
  }
  return connection;
}

FaultEvent ToEvent(const v1::SubmitEventRequest& request, Severity severity, WallTime now) {
  FaultEvent event;
  event.fault_id = request.fault_id();
  event.fault_type = request.fault_type();
  event.severity = severity;
  event.resource = FromProto(request.resource());
  event.context = request.context();
  event.received_at = now;
  event.timestamp = request.has_timestamp() ? FromProto(request.timestamp()).value_or(now) : now;
  return event;
}

v1::EventExplanation ToExplanation(const EventDecision& decision, const Scheduler& scheduler,
                                   const Instant& now) {
  v1::EventExplanation explanation;
  explanation.set_event_id(SanitizeUtf8(decision.event_id));
  explanation.set_cluster(decision.cluster);
  explanation.set_fault_type(SanitizeUtf8(decision.fault_type));
  explanation.set_severity(std::string(ToString(decision.severity)));
  *explanation.mutable_resource() = ToProto(decision.resource);
  *explanation.mutable_received_at() = ToProto(decision.received_at);
  explanation.set_decision(std::string(decision.disposition));
  explanation.set_incident_id(decision.incident_id);
  explanation.set_explanation(SanitizeUtf8(Explain(decision, scheduler, now)));
  return explanation;
}

}  // namespace

AdminService::AdminService(EventLoop& event_loop, IngestLoop& loop, TokenAuth& token_auth,
                           Endpoints endpoints)
    : event_loop_(event_loop),
      loop_(loop),
      token_auth_(token_auth),
      endpoints_(std::move(endpoints)),
      started_(event_loop.Now().mono) {}

grpc::ServerUnaryReactor* AdminService::GetStatus(grpc::CallbackServerContext* context,
                                                  const v1::GetStatusRequest* request,
                                                  v1::GetStatusResponse* response) {
  return calls_.Answer(*context, [=, this] { return AnswerGetStatus(context, request, response); });
}

grpc::ServerUnaryReactor* AdminService::ListClusters(grpc::CallbackServerContext* context,
                                                     const v1::ListClustersRequest* request,
                                                     v1::ListClustersResponse* response) {
  return calls_.Answer(*context,
                       [=, this] { return AnswerListClusters(context, request, response); });
}

grpc::ServerUnaryReactor* AdminService::ListIncidents(grpc::CallbackServerContext* context,
                                                      const v1::ListIncidentsRequest* request,
                                                      v1::ListIncidentsResponse* response) {
  return calls_.Answer(*context,
                       [=, this] { return AnswerListIncidents(context, request, response); });
}

grpc::ServerUnaryReactor* AdminService::GetIncident(grpc::CallbackServerContext* context,
                                                    const v1::GetIncidentRequest* request,
                                                    v1::GetIncidentResponse* response) {
  return calls_.Answer(*context,
                       [=, this] { return AnswerGetIncident(context, request, response); });
}

grpc::ServerUnaryReactor* AdminService::SubmitEvent(grpc::CallbackServerContext* context,
                                                    const v1::SubmitEventRequest* request,
                                                    v1::SubmitEventResponse* response) {
  return calls_.Answer(*context,
                       [=, this] { return AnswerSubmitEvent(context, request, response); });
}

grpc::ServerUnaryReactor* AdminService::ExplainEvent(grpc::CallbackServerContext* context,
                                                     const v1::ExplainEventRequest* request,
                                                     v1::ExplainEventResponse* response) {
  return calls_.Answer(*context,
                       [=, this] { return AnswerExplainEvent(context, request, response); });
}

grpc::ServerUnaryReactor* AdminService::CancelIncident(grpc::CallbackServerContext* context,
                                                       const v1::CancelIncidentRequest* request,
                                                       v1::CancelIncidentResponse* response) {
  return calls_.Answer(*context,
                       [=, this] { return AnswerCancelIncident(context, request, response); });
}

grpc::ServerUnaryReactor* AdminService::RerunIncident(grpc::CallbackServerContext* context,
                                                      const v1::RerunIncidentRequest* request,
                                                      v1::RerunIncidentResponse* response) {
  return calls_.Answer(*context,
                       [=, this] { return AnswerRerunIncident(context, request, response); });
}

grpc::ServerUnaryReactor* AdminService::ResetCircuitBreaker(
    grpc::CallbackServerContext* context, const v1::ResetCircuitBreakerRequest* request,
    v1::ResetCircuitBreakerResponse* response) {
  return calls_.Answer(*context,
                       [=, this] { return AnswerResetCircuitBreaker(context, request, response); });
}

grpc::Status AdminService::AnswerGetStatus(const grpc::ServerContextBase*,
                                           const v1::GetStatusRequest* request,
                                           v1::GetStatusResponse* response) {
  const auto begin = ParsePageToken(request->page_token());
  if (!begin) return InvalidPageToken(request->page_token());
  auto status = CallOnLoop<v1::GetStatusResponse>(
      event_loop_, [this, begin, size = request->page_size()] { return Status(*begin, size); },
      kRpcTimeout);
  if (!status) return Busy();
  *response = *std::move(status);
  return grpc::Status::OK;
}

v1::GetStatusResponse AdminService::Status(ClusterIndex begin, std::uint32_t page_size) const {
  const Scheduler& scheduler = loop_.scheduler();
  v1::GetStatusResponse status;
  status.set_version(GetBuildInfo().version);
  *status.mutable_uptime() = ToProto(event_loop_.Now().mono - started_);
  status.set_draining(scheduler.draining());
  std::uint64_t queued = 0;
  PageLimit page(page_size, kMaxAnswerBytes);
  for (ClusterIndex i = 0; i < scheduler.cluster_count(); ++i) {
    const auto view = scheduler.View(i);
    // The sums include removed clusters.
    queued += view.depth;
    for (const auto& [final_status, count] : view.counters.finished) {
      (*status.mutable_incidents_finished())[std::string(ToString(final_status))] += count;
    }
    if (!view.configured || i < begin || !status.next_page_token().empty()) continue;
    const ConnectionState& connection = loop_.connections().Of(i);
    v1::ClusterStatus cluster;
    cluster.set_name(view.name);
    cluster.set_endpoint(WithoutQuery(endpoints_.at(view.name)));
    cluster.set_connected(connection.subscribed);
    cluster.set_last_error(connection.last_error);
    if (connection.last_event) *cluster.mutable_last_event_at() = ToProto(*connection.last_event);
    cluster.set_queued(view.depth);
    cluster.set_leased(view.leased);
    if (page.Add(cluster.ByteSizeLong())) {
      *status.add_clusters() = std::move(cluster);
    } else {
      status.set_next_page_token(std::to_string(i));
    }
  }
  status.set_incidents_queued(queued);
  status.set_incidents_leased(scheduler.leases().leases().size());
  status.set_circuit_breaker(std::string(ToString(scheduler.breaker().state())));
  if (begin != 0) return status;
  PageLimit executors(0, kMaxExecutorsBytes);
  for (const auto& [id, known] : scheduler.leases().executors()) {
    v1::ExecutorStatus executor;
    executor.set_executor_id(id);
    executor.set_version(known.version);
    executor.set_attached(known.attached());
    executor.set_sidecar(known.sidecar);
    executor.set_draining(known.draining);
    executor.set_slots(known.slots);
    executor.set_busy(static_cast<std::uint32_t>(known.leases.size()));
    if (executors.Add(executor.ByteSizeLong())) {
      *status.add_executors() = std::move(executor);
    } else {
      status.set_executors_omitted(status.executors_omitted() + 1);
    }
  }
  return status;
}

grpc::Status AdminService::AnswerListClusters(const grpc::ServerContextBase*,
                                              const v1::ListClustersRequest* request,
                                              v1::ListClustersResponse* response) {
  const auto begin = ParsePageToken(request->page_token());
  if (!begin) return InvalidPageToken(request->page_token());
  using List = std::optional<v1::ListClustersResponse>;
  auto list = CallOnLoop<List>(
      event_loop_,
      [this, begin, size = request->page_size(), wanted = request->cluster()]() -> List {
        if (wanted.empty()) return Clusters(*begin, size);
        const auto index = loop_.scheduler().ClusterOf(wanted);
        if (!index) return std::nullopt;
        v1::ListClustersResponse found;
        *found.add_clusters() = ToConnection(
            wanted, endpoints_.at(wanted), loop_.connections().Of(*index), event_loop_.Now().mono);
        return found;
      },
      kRpcTimeout);
  if (!list) return Busy();
  if (!*list) return NoSuchCluster(request->cluster());
  *response = **std::move(list);
  return grpc::Status::OK;
}

v1::ListClustersResponse AdminService::Clusters(ClusterIndex begin, std::uint32_t page_size) const {
  const Scheduler& scheduler = loop_.scheduler();
  v1::ListClustersResponse found;
  PageLimit page(page_size, kMaxAnswerBytes);
  for (ClusterIndex i = begin; i < scheduler.cluster_count(); ++i) {
    const auto view = scheduler.View(i);
    if (!view.configured) continue;
    v1::ClusterConnection connection = ToConnection(
        view.name, endpoints_.at(view.name), loop_.connections().Of(i), event_loop_.Now().mono);
    if (!page.Add(connection.ByteSizeLong())) {
      found.set_next_page_token(std::to_string(i));
      break;
    }
    *found.add_clusters() = std::move(connection);
  }
  return found;
}

grpc::Status AdminService::AnswerListIncidents(const grpc::ServerContextBase*,
                                               const v1::ListIncidentsRequest* request,
                                               v1::ListIncidentsResponse* response) {
  if (!request->state().empty() && !ParseIncidentState(request->state())) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "state: invalid value; expected queued, offered, running or finished"};
  }
  const std::uint32_t limit =
      std::min(request->limit() == 0 ? kDefaultLimit : request->limit(), kMaxLimit);
  auto found = CallOnLoop<v1::ListIncidentsResponse>(
      event_loop_,
      [this, cluster = request->cluster(), state = request->state(), limit] {
        v1::ListIncidentsResponse list;
        PageLimit page(0, kMaxAnswerBytes);
        const auto wanted = [&](const IncidentRecord& record) {
          return (cluster.empty() || record.incident.event.cluster == cluster) &&
                 (state.empty() || ToString(record.state) == state);
        };
        for (const auto* record : loop_.scheduler().incidents().Newest(limit, wanted)) {
          v1::IncidentStatus incident = ToStatus(*record, false);
          if (!page.Add(incident.ByteSizeLong())) {
            list.set_truncated(true);
            break;
          }
          *list.add_incidents() = std::move(incident);
        }
        return list;
      },
      kRpcTimeout);
  if (!found) return Busy();
  *response = *std::move(found);
  return grpc::Status::OK;
}

grpc::Status AdminService::AnswerGetIncident(const grpc::ServerContextBase*,
                                             const v1::GetIncidentRequest* request,
                                             v1::GetIncidentResponse* response) {
  using Found = std::optional<v1::IncidentStatus>;
  const auto found = CallOnLoop<Found>(
      event_loop_,
      [this, id = request->incident_id()]() -> Found {
        const IncidentRecord* record = loop_.scheduler().incidents().Find(id);
        if (record == nullptr) return std::nullopt;
        return ToStatus(*record, true);
      },
      kRpcTimeout);
  if (!found) return Busy();
  if (!*found)
    return {grpc::StatusCode::NOT_FOUND,
            "unknown incident; expected an open or recently finished one"};
  *response->mutable_incident() = **found;
  return grpc::Status::OK;
}

grpc::Status AdminService::AnswerSubmitEvent(const grpc::ServerContextBase* context,
                                             const v1::SubmitEventRequest* request,
                                             v1::SubmitEventResponse* response) {
  if (grpc::Status refused = token_auth_.Check(*context); !refused.ok()) return refused;
  const auto severity = request->severity().empty() ? std::optional(Severity::kWarning)
                                                    : ParseSeverity(request->severity());
  if (!severity) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "severity: invalid value; expected debug, info, warning, error or critical"};
  }
  FaultEvent event = ToEvent(*request, *severity, event_loop_.Now().wall);
  if (const auto invalid = Normalize(event)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, invalid->detail};
  }
  using Answer = std::pair<grpc::Status, Scheduler::EventResult>;
  const auto answer = CallOnLoop<Answer>(
      event_loop_,
      [this, cluster = request->cluster(), event]() -> Answer {
        if (loop_.draining()) return {Busy(), {}};
        const auto index = loop_.scheduler().ClusterOf(cluster);
        if (!index) return {NoSuchCluster(cluster), {}};
        return {grpc::Status::OK,
                loop_.Step([&](Scheduler& scheduler, const Instant& now, Effects& effects) {
                  return scheduler.OnEvent(*index, event, now, effects);
                })};
      },
      kRpcTimeout);
  if (!answer) return Busy();
  if (!answer->first.ok()) return answer->first;
  const Scheduler::EventResult& result = answer->second;
  using Disposition = Scheduler::Disposition;
  response->set_result(result.disposition == Disposition::kQueued           ? "queued"
                       : result.disposition == Disposition::kFiltered       ? "filtered"
                       : result.disposition == Disposition::kBreakerDropped ? "dropped"
                                                                            : "rejected");
  response->set_reason(std::string(result.Reason()));
  response->set_incident_id(result.incident_id);
  return grpc::Status::OK;
}

grpc::Status AdminService::AnswerExplainEvent(const grpc::ServerContextBase*,
                                              const v1::ExplainEventRequest* request,
                                              v1::ExplainEventResponse* response) {
  const DecisionLog::Query query{request->cluster(), request->fault_id(), request->incident_id(),
                                 FromProto(request->resource())};
  const std::uint32_t limit =
      std::min(request->limit() == 0 ? kDefaultExplanations : request->limit(), kMaxExplanations);
  auto found = CallOnLoop<v1::ExplainEventResponse>(
      event_loop_,
      [this, query, limit] {
        v1::ExplainEventResponse list;
        for (const EventDecision* decision : loop_.decisions().Newest(query, limit)) {
          *list.add_explanations() = ToExplanation(*decision, loop_.scheduler(), event_loop_.Now());
        }
        return list;
      },
      kRpcTimeout);
  if (!found) return Busy();
  const bool has_condition = !query.cluster.empty() || !query.event_id.empty() ||
                             !query.incident_id.empty() || query.resource != Resource{};
  if (found->explanations().empty() && has_condition) {
    return {grpc::StatusCode::NOT_FOUND,
            "no matching event among the latest " + std::to_string(DecisionLog::kCapacity) +
                " valid events; ListClusters shows whether the cluster is subscribed"};
  }
  *response = *std::move(found);
  return grpc::Status::OK;
}

grpc::Status AdminService::AnswerCancelIncident(const grpc::ServerContextBase* context,
                                                const v1::CancelIncidentRequest* request,
                                                v1::CancelIncidentResponse* response) {
  if (grpc::Status refused = token_auth_.Check(*context); !refused.ok()) return refused;
  using Cancelled = Scheduler::Cancelled;
  const auto cancelled = CallOnLoop<Cancelled>(
      event_loop_, [this, id = request->incident_id()] { return loop_.Cancel(id); }, kRpcTimeout);
  if (!cancelled) return Busy();
  if (*cancelled == Cancelled::kUnknown) {
    return {grpc::StatusCode::NOT_FOUND,
            "unknown incident; expected an open or recently finished one"};
  }
  if (*cancelled == Cancelled::kEndedBefore) {
    return {grpc::StatusCode::FAILED_PRECONDITION,
            "the incident has already finished; expected an open one"};
  }
  response->set_result(*cancelled == Cancelled::kEnded ? "cancelled" : "stopping");
  return grpc::Status::OK;
}

grpc::Status AdminService::AnswerRerunIncident(const grpc::ServerContextBase* context,
                                               const v1::RerunIncidentRequest* request,
                                               v1::RerunIncidentResponse* response) {
  if (grpc::Status refused = token_auth_.Check(*context); !refused.ok()) return refused;
  using Answer = std::optional<Scheduler::Rerun>;  // nullopt: ingest is shutting down
  const auto answer = CallOnLoop<Answer>(
      event_loop_,
      [this, id = request->incident_id()]() -> Answer {
        if (loop_.draining()) return std::nullopt;
        return loop_.Rerun(id);
      },
      kRpcTimeout);
  if (!answer || !*answer) return Busy();
  const Scheduler::Rerun& rerun = **answer;
  using Result = Scheduler::Rerun::Result;
  switch (rerun.result) {
    case Result::kQueued:
      response->set_incident_id(rerun.incident_id);
      return grpc::Status::OK;
    case Result::kUnknown:
      return {grpc::StatusCode::NOT_FOUND,
              "unknown incident; expected an open or recently finished one"};
    case Result::kNotEnded:
      return {
          grpc::StatusCode::FAILED_PRECONDITION,
          "the incident is " + std::string(ToString(rerun.state)) + "; expected a finished one"};
    case Result::kNotConfigured:
      return {grpc::StatusCode::FAILED_PRECONDITION,
              "the cluster of the incident is no longer configured"};
    case Result::kOpenElsewhere:
      return {grpc::StatusCode::FAILED_PRECONDITION,
              "incident " + rerun.incident_id + " of the same " +
                  std::string(ToString(loop_.scheduler().options().dedup_key)) +
                  " is queued or running; cancel it, or retry after it ends"};
    case Result::kRejected:
      break;
  }
  return {grpc::StatusCode::RESOURCE_EXHAUSTED,
          "the queue is full; --cluster-queue-size and --global-queue-size limit it"};
}

grpc::Status AdminService::AnswerResetCircuitBreaker(const grpc::ServerContextBase* context,
                                                     const v1::ResetCircuitBreakerRequest*,
                                                     v1::ResetCircuitBreakerResponse* response) {
  if (grpc::Status refused = token_auth_.Check(*context); !refused.ok()) return refused;
  const auto before = CallOnLoop<CircuitBreaker::State>(
      event_loop_, [this] { return loop_.ResetBreaker(); }, kRpcTimeout);
  if (!before) return Busy();
  response->set_previous_state(std::string(ToString(*before)));
  return grpc::Status::OK;
}

}  // namespace runner::ingest
