#include "ingest/core/incident_table.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;

IncidentRecord RecordOf(std::string id, std::size_t context_bytes = 0) {
  IncidentRecord record;
  record.incident.id = std::move(id);
  record.incident.event.context.assign(context_bytes, 'x');
  return record;
}

TEST(IncidentTable, FindsAnAddedRecord) {
  IncidentTable table(10, 1000);
  IncidentRecord& a = table.Add(RecordOf("a"));
  table.Add(RecordOf("b"));
  EXPECT_EQ(table.Find("a"), &a);
  EXPECT_EQ(table.Find("c"), nullptr);
  EXPECT_EQ(std::as_const(table).Find("a"), &a);
}

TEST(IncidentTable, FinishSetsStatusAndReason) {
  IncidentTable table(10, 1000);
  IncidentRecord& a = table.Add(RecordOf("a"));
  table.Finish(a, FinalStatus::kFailure, "exit_code");
  EXPECT_EQ(a.state, IncidentState::kFinished);
  EXPECT_EQ(a.status, FinalStatus::kFailure);
  EXPECT_EQ(a.reason, "exit_code");
}

TEST(IncidentTable, LimitsTheNumberOfFinishedRecords) {
  IncidentTable table(2, 1000);
  for (const char* id : {"a", "b", "c"}) table.Add(RecordOf(id));
  IncidentRecord& open = table.Add(RecordOf("open"));
  for (const char* id : {"c", "a", "b"}) table.Finish(*table.Find(id), FinalStatus::kSuccess, "");
  EXPECT_EQ(table.Find("c"), nullptr) << "the first to end";
  EXPECT_NE(table.Find("a"), nullptr);
  EXPECT_NE(table.Find("b"), nullptr);
  EXPECT_EQ(table.Find("open"), &open);
}

TEST(IncidentTable, LimitsTheBytesOfFinishedRecords) {
  IncidentTable table(100, 1000);
  table.Finish(table.Add(RecordOf("a", 600)), FinalStatus::kSuccess, "");
  table.Finish(table.Add(RecordOf("b", 400)), FinalStatus::kSuccess, "");
  EXPECT_NE(table.Find("a"), nullptr);
  table.Finish(table.Add(RecordOf("c", 1)), FinalStatus::kSuccess, "");
  EXPECT_EQ(table.Find("a"), nullptr);
  EXPECT_NE(table.Find("b"), nullptr);
}

TEST(IncidentTable, CountsTheBytesOfReports) {
  IncidentTable table(100, 1000);
  table.Finish(table.Add(RecordOf("a")), FinalStatus::kSuccess, "");
  IncidentRecord& b = table.Add(RecordOf("b"));
  b.outcome.emplace().report.assign(1001, 'x');
  table.Finish(b, FinalStatus::kSuccess, "");
  EXPECT_EQ(table.Find("a"), nullptr);
  EXPECT_NE(table.Find("b"), nullptr) << "never the one that just ended";
  table.Finish(table.Add(RecordOf("c")), FinalStatus::kSuccess, "");
  EXPECT_EQ(table.Find("b"), nullptr);
}

TEST(IncidentTable, KeepsTheLatestFinishedRecordEvenWithLimitsOfZero) {
  IncidentTable table(0, 0);
  IncidentRecord& a = table.Add(RecordOf("a", 5));
  table.Finish(a, FinalStatus::kSuccess, "");
  EXPECT_EQ(table.Find("a"), &a);
}

TEST(IncidentTable, ReturnsTheNewestFirstUpToTheLimit) {
  IncidentTable table(10, 1000);
  for (const char* id : {"a", "b", "c", "d"}) table.Add(RecordOf(id));
  table.Finish(*table.Find("c"), FinalStatus::kSuccess, "");
  const auto open = table.Newest(
      2, [](const IncidentRecord& record) { return record.state == IncidentState::kQueued; });
  std::vector<std::string> ids;
  for (const IncidentRecord* record : open) ids.push_back(record->incident.id);
  EXPECT_THAT(ids, ElementsAre("d", "b"));
}

TEST(IncidentTable, StatesConvertToWordsAndBack) {
  EXPECT_EQ(ToString(IncidentState::kQueued), "queued");
  EXPECT_EQ(ToString(IncidentState::kOffered), "offered");
  EXPECT_EQ(ToString(IncidentState::kRunning), "running");
  EXPECT_EQ(ToString(IncidentState::kFinished), "finished");
}

}  // namespace
}  // namespace runner::ingest
