#pragma once

#include <filesystem>
#include <stdexcept>
#include <string_view>

#include "tools/faultsim/script.h"

namespace runner::faultsim {

// An error in a script. The text names the rule and the key.
class ScriptError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Parses the JSON text that README.md describes. Throws ScriptError.
Script ParseScript(std::string_view text);
// Parses a file.
Script LoadScript(const std::filesystem::path& file);

}  // namespace runner::faultsim
