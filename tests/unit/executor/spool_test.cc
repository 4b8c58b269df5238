#include "executor/supervisor/spool.h"

#include <gtest/gtest.h>

#include "executor/shim/result.h"
#include "tests/unit/executor/temporary_directory.h"

namespace runner::executor {
namespace {

TEST(Spool, RecordSurvivesTheWayThroughTheFile) {
  const TemporaryDirectory root;
  const Spool spool(root.path());
  const Lease lease{"018f2d3c-7a10-7c4e-9b1e-0123456789ab", 3};
  ShimRecord record;
  lease.incident_id.copy(record.incident_id, sizeof record.incident_id - 1);
  record.attempt = 3;
  record.signal = 15;
  record.spawn_errno = 2;
  record.log_errno = 28;
  record.orphans_killed = 4;
  record.stopped = ShimStop::kExecutorLost;
  record.timed_out = true;
  record.contained = true;
  record.started_at_ns = 1'700'000'000'123'456'789;
  record.finished_at_ns = 1'700'000'001'123'456'789;
  record.duration_ns = 1'000'000'000;
  record.out = {UINT64_MAX, 5};
  record.err = {6, 7};
  ASSERT_TRUE(WriteResult(spool.FileOf(lease).c_str(), record));

  const auto loaded = spool.Load(lease);
  ASSERT_TRUE(loaded);
  EXPECT_STREQ(loaded->incident_id, record.incident_id);
  EXPECT_EQ(loaded->attempt, 3u);
  EXPECT_EQ(loaded->exit_code, ShimRecord::kNoExitCode);
  EXPECT_EQ(loaded->signal, 15);
  EXPECT_EQ(loaded->spawn_errno, 2);
  EXPECT_EQ(loaded->log_errno, 28);
  EXPECT_EQ(loaded->orphans_killed, 4u);
  EXPECT_EQ(loaded->stopped, ShimStop::kExecutorLost);
  EXPECT_TRUE(loaded->timed_out);
  EXPECT_TRUE(loaded->contained);
  EXPECT_EQ(loaded->started_at_ns, record.started_at_ns);
  EXPECT_EQ(loaded->finished_at_ns, record.finished_at_ns);
  EXPECT_EQ(loaded->duration_ns, record.duration_ns);
  EXPECT_EQ(loaded->out.bytes, UINT64_MAX);
  EXPECT_EQ(loaded->err.dropped_bytes, 7u);
  EXPECT_FALSE(std::filesystem::exists(spool.FileOf(lease).string() + ".tmp"));

  // Under the name of another lease it proves nothing.
  const Lease other{lease.incident_id, 4};
  std::filesystem::copy_file(spool.FileOf(lease), spool.FileOf(other));
  EXPECT_FALSE(spool.Load(other));

  spool.Remove(lease);
  EXPECT_FALSE(spool.Load(lease));
  spool.Remove(lease);
}

TEST(Spool, WhatIsNotARecordIsNotRead) {
  for (const char* text : {"", "{}", "[]", "{\"incident_id\":1}", "null"}) {
    EXPECT_FALSE(ParseShimRecord(text)) << text;
  }
}

}  // namespace
}  // namespace runner::executor
