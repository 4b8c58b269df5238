#include <cstdio>
#include <cstdlib>
#include <string>

#include <dirent.h>
#include <unistd.h>

#include "tests/support/test_agent/modes.h"

namespace runner::test_agent {

int PrintEnvironment() {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    Print(*variable + std::string("\n"));
  }
  return 0;
}

int PrintDescriptors() {
  DIR* const directory = ::opendir("/proc/self/fd");
  std::string list;
  while (const dirent* entry = ::readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(directory)) list += std::to_string(fd) + " ";
  }
  Print(list);
  return 0;
}

int PrintSignals() {
  std::FILE* const status = std::fopen("/proc/self/status", "r");
  char line[256];
  while (std::fgets(line, sizeof line, status) != nullptr) {
    const std::string text = line;
    if (text.starts_with("SigBlk") || text.starts_with("SigIgn") ||
        text.starts_with("NoNewPrivs")) {
      Print(text);
    }
  }
  return 0;
}

int CopyStdin() {
  char buffer[4096];
  ssize_t got;
  while ((got = ::read(STDIN_FILENO, buffer, sizeof buffer)) > 0) {
    Print(std::string(buffer, static_cast<std::size_t>(got)));
  }
  return got < 0 ? 1 : 0;
}

int PrintSession() {
  Print(std::to_string(::getsid(0) == ::getpid() && ::getpgrp() == ::getpid()));
  return 0;
}

int PrintDirectory() {
  char path[4096];
  Print(::getcwd(path, sizeof path));
  return 0;
}

}  // namespace runner::test_agent
