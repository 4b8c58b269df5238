#pragma once

#include <filesystem>
#include <stdexcept>
#include <string_view>

#include "tools/faultsim/script.h"

namespace runner::faultsim {

// What is wrong with a script: names the rule and the key.
class ScriptError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads the JSON text that README.md describes. Throws ScriptError.
Script ParseScript(std::string_view text);
// The same from a file.
Script LoadScript(const std::filesystem::path& file);

}  // namespace runner::faultsim
