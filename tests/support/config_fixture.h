#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "common/config/config_table.h"

namespace runner {

// Resolves a table from arguments, an environment and a file.
class ConfigFixture : public ::testing::Test {
 protected:
  ~ConfigFixture() override { std::filesystem::remove(path_); }

  void WriteConfig(const std::string& text) { std::ofstream(path_) << text; }
  ParseResult Parse(ConfigTable& table, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), "program");
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return table.Parse(static_cast<int>(argv.size()), argv.data(), Environment());
  }
  EnvironmentLookup Environment() {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    };
  }
  std::string Place(int line) const { return path_ + ":" + std::to_string(line) + ": "; }

  const std::string path_ =
      std::filesystem::temp_directory_path() / ("runner-config-" + std::to_string(getpid()));
  std::map<std::string, std::string> environment_{{"CONFIG_FILE", path_}};
};

}  // namespace runner
