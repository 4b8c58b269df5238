#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <utility>

namespace runner::ingest {

// Bounds the incomplete messages of all requests of one thread: each request has its own limit, but
// hundreds of servers may approach it at a time. Above the shared limit the request that holds the
// most gives way, and the next, until the rest fits: a server that sends little is never affected
// by one that sends much. Pure; not thread-safe.
class BufferBudget {
 public:
  static constexpr std::size_t kLimit = std::size_t{64} << 20;
  // Less than this is not counted: thousands of streams hold a little each.
  static constexpr std::size_t kCounted = std::size_t{64} << 10;

  // The share of one request. Not movable; may outlive the thread whose budget it shares.
  class Account {
   public:
    // `give_way` frees what the request holds. It runs inside Set, of this or another account, and
    // must not call Set.
    Account(std::shared_ptr<BufferBudget> budget, std::function<void()> give_way)
        : budget_(std::move(budget)), give_way_(std::move(give_way)) {}
    ~Account() { budget_->Change(*this, 0); }
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;

    void Set(std::size_t bytes);

   private:
    friend class BufferBudget;
    const std::shared_ptr<BufferBudget> budget_;
    const std::function<void()> give_way_;
    std::size_t bytes_ = 0;
  };

  explicit BufferBudget(std::size_t limit = kLimit) : limit_(limit) {}

  std::size_t total() const { return total_; }

 private:
  void Change(Account& account, std::size_t bytes);

  const std::size_t limit_;
  std::size_t total_ = 0;
  std::set<std::pair<std::size_t, Account*>> by_size_;
};

}  // namespace runner::ingest
