#pragma once

#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "common/base/clock.h"
#include "common/loop/event_loop.h"

namespace runner {

// Runs `question` on the loop's thread and waits at most `timeout` for its result. Metrics, health
// and admin servers use it to read state that belongs to a loop. Returns nothing if the result does
// not arrive in time or the loop ends. An exception of `question` is rethrown here. Everything that
// `question` refers to must outlive the loop, since it may run after the timeout. Never call it on
// the loop's own thread.
//
//   const std::optional<Snapshot> now = CallOnLoop<Snapshot>(
//       event_loop, [&] { return state.Read(); }, 1s);
template <typename T>
std::optional<T> CallOnLoop(EventLoop& event_loop,
                            std::type_identity_t<std::function<T()>> question, Duration timeout) {
  auto promise = std::make_shared<std::promise<T>>();
  std::future<T> answer = promise->get_future();
  // The task owns the promise: if the loop destroys the task without running it, the wait ends.
  event_loop.Post([promise = std::move(promise), question = std::move(question)] {
    try {
      promise->set_value(question());
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  });
  if (answer.wait_for(timeout) != std::future_status::ready) return std::nullopt;
  try {
    return answer.get();
  } catch (const std::future_error&) {
    return std::nullopt;
  }
}

}  // namespace runner
