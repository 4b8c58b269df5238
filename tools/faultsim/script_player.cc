#include "tools/faultsim/script_player.h"

#include <algorithm>
#include <utility>

namespace runner::faultsim {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

std::string Numbered(std::string text, std::uint64_t number) {
  constexpr std::string_view kMark = "{n}";
  const std::string digits = std::to_string(number);
  for (auto at = text.find(kMark); at != std::string::npos;
       at = text.find(kMark, at + digits.size())) {
    text.replace(at, kMark.size(), digits);
  }
  return text;
}

}  // namespace

ScriptPlayer::ScriptPlayer(std::shared_ptr<const Steps> steps, HttpRequest request)
    : steps_(std::move(steps)), request_(std::move(request)), stack_{{steps_.get(), 0, 1}} {}

ScriptPlayer::Command ScriptPlayer::Next() {
  if (fill_ != nullptr) return SendBytes{FillBlock()};
  if (flood_ != nullptr) return SendBytes{FloodBlock()};
  const Step* step = Advance();
  if (step == nullptr) {
    finished_ = true;
    return Finish{whole_};
  }
  return std::visit([this](const auto& what) { return Play(what); }, step->what);
}

const Step* ScriptPlayer::Advance() {
  while (!stack_.empty()) {
    Frames& top = stack_.back();
    if (top.at < top.steps->size()) return &(*top.steps)[top.at++];
    if (top.turns_left != step::kForEver && --top.turns_left == 0) {
      stack_.pop_back();
    } else {
      top.at = 0;
    }
  }
  return nullptr;
}

void ScriptPlayer::Served(const HttpResponse& response) {
  chunked_ = response.stream;
  whole_ = !response.stream && !response.close;
}

std::string ScriptPlayer::Frame(std::string_view body) const {
  if (!chunked_) return std::string(body);
  std::string out;
  while (!body.empty()) {
    const std::size_t size = chunk_size_ == 0 ? body.size() : std::min(chunk_size_, body.size());
    out += RenderChunk(body.substr(0, size));
    body.remove_prefix(size);
  }
  return out;
}

ScriptPlayer::Command ScriptPlayer::Play(const step::Send& send) {
  whole_ = false;
  return SendBytes{send.body ? Frame(send.bytes) : send.bytes};
}

ScriptPlayer::Command ScriptPlayer::Play(const step::Fill& fill) {
  whole_ = false;
  done_ = 0;
  fill_ = &fill;
  return SendBytes{FillBlock()};
}

ScriptPlayer::Command ScriptPlayer::Play(const step::Flood& flood) {
  whole_ = false;
  done_ = 0;
  flood_ = &flood;
  return SendBytes{FloodBlock()};
}

ScriptPlayer::Command ScriptPlayer::Play(const step::Respond& respond) {
  Served(respond.response);
  return SendBytes{RenderResponse(respond.response)};
}

ScriptPlayer::Command ScriptPlayer::Play(const step::End&) {
  if (!chunked_) return SendBytes{};
  chunked_ = false;
  whole_ = true;
  return SendBytes{RenderStreamEnd()};
}

ScriptPlayer::Command ScriptPlayer::Play(const step::ChunkSize& chunk) {
  chunk_size_ = chunk.bytes;
  return SendBytes{};
}

ScriptPlayer::Command ScriptPlayer::Play(const step::Repeat& repeat) {
  stack_.push_back({&repeat.steps, 0, repeat.times});
  return SendBytes{};
}

std::string ScriptPlayer::FillBlock() {
  std::string block;
  const std::uint64_t bytes = std::min<std::uint64_t>(kBlock, fill_->count - done_);
  block.reserve(static_cast<std::size_t>(bytes));
  for (std::uint64_t i = 0; i < bytes; ++i) {
    block += fill_->with[static_cast<std::size_t>((done_ + i) % fill_->with.size())];
  }
  done_ += bytes;
  if (done_ == fill_->count) fill_ = nullptr;
  return Frame(block);
}

std::string ScriptPlayer::FloodBlock() {
  std::string block;
  while (block.size() < kBlock && done_ < flood_->count) {
    block += Frame(EventText(Numbered(flood_->data, ++done_)));
  }
  if (done_ == flood_->count) flood_ = nullptr;
  return block;
}

}  // namespace runner::faultsim
