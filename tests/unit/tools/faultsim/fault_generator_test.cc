#include "tools/faultsim/fault_generator.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace runner::faultsim {
namespace {

std::vector<FaultEvent> Generate(std::uint64_t seed, int count) {
  FaultGenerator generator("simulated", seed);
  std::vector<FaultEvent> faults;
  for (int i = 0; i < count; ++i) faults.push_back(generator.Next(WallTime{}));
  return faults;
}

bool Same(const FaultEvent& a, const FaultEvent& b) {
  return a.cluster == b.cluster && a.fault_id == b.fault_id && a.fault_type == b.fault_type &&
         a.severity == b.severity && a.resource == b.resource && a.context == b.context;
}

TEST(FaultGenerator, SameSeedGivesSameFaults) {
  const auto first = Generate(7, 200);
  const auto second = Generate(7, 200);
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(Same(first[i], second[i])) << i;
  EXPECT_FALSE(Same(first[0], Generate(8, 1)[0]));
}

TEST(FaultGenerator, TheFirstFaultIsCritical) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    EXPECT_EQ(Generate(seed, 1)[0].severity, Severity::kCritical) << seed;
  }
}

TEST(FaultGenerator, EveryFaultTypeOccursAndMostAreAtLeastWarnings) {
  std::map<std::string, int> types;
  int infos = 0;
  for (const FaultEvent& fault : Generate(1, 500)) {
    ++types[fault.fault_type];
    if (fault.severity == Severity::kInfo) ++infos;
  }
  EXPECT_EQ(types.size(), 5u);
  EXPECT_GT(infos, 0);
  EXPECT_LT(infos, 100);
}

TEST(FaultGenerator, FieldsAreComplete) {
  for (const FaultEvent& fault : Generate(3, 500)) {
    EXPECT_EQ(fault.fault_id.size(), 16u);
    EXPECT_EQ(fault.fault_id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_EQ(fault.resource.uid.size(), 36u);
    EXPECT_EQ(fault.resource.uid[14], '4');
    EXPECT_FALSE(fault.resource.name.empty());
    EXPECT_EQ(fault.resource.namespace_.empty(), fault.resource.kind == "Node");
    EXPECT_EQ(fault.context.find('{' + std::string("n}")), std::string::npos) << fault.context;
    EXPECT_EQ(fault.context.find("{app}"), std::string::npos) << fault.context;
  }
}

TEST(FaultGenerator, FaultsRecur) {
  std::set<std::string> ids;
  for (const FaultEvent& fault : Generate(5, 400)) ids.insert(fault.fault_id);
  EXPECT_LT(ids.size(), 390u);
  EXPECT_GT(ids.size(), 250u);
}

TEST(FaultId, DependsOnEveryField) {
  const std::set<std::string> ids = {FaultId("a", "b", "c", "d"), FaultId("x", "b", "c", "d"),
                                     FaultId("a", "x", "c", "d"), FaultId("a", "b", "x", "d"),
                                     FaultId("a", "b", "c", "x"), FaultId("ab", "", "c", "d")};
  EXPECT_EQ(ids.size(), 6u);
  EXPECT_EQ(FaultId("a", "b", "c", "d"), FaultId("a", "b", "c", "d"));
}

}  // namespace
}  // namespace runner::faultsim
