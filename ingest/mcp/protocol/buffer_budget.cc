#include "ingest/mcp/protocol/buffer_budget.h"

namespace runner::ingest {

void BufferBudget::Account::Set(std::size_t bytes) {
  BufferBudget& budget = *budget_;
  budget.Change(*this, bytes < kCounted ? 0 : bytes);
  while (budget.total_ > budget.limit_) {
    Account& largest = *budget.by_size_.rbegin()->second;
    largest.give_way_();
    budget.Change(largest, 0);
  }
}

void BufferBudget::Change(Account& account, std::size_t bytes) {
  if (account.bytes_ == bytes) return;
  if (account.bytes_ != 0) by_size_.erase({account.bytes_, &account});
  total_ += bytes;
  total_ -= account.bytes_;
  account.bytes_ = bytes;
  if (bytes != 0) by_size_.emplace(bytes, &account);
}

}  // namespace runner::ingest
