#include "server/output_queue.h"

namespace cairn {
namespace {

std::size_t position_bytes(const PositionLogprobs& position) {
  return sizeof(position) + position.top.size() * sizeof(TokenLogprob);
}

std::size_t piece_bytes(const RequestOutput& piece) {
  std::size_t bytes = sizeof(piece) + piece.text.size() + piece.token_ids.size() * sizeof(int);
  for (const PositionLogprobs& position : piece.logprobs) bytes += position_bytes(position);
  return bytes;  // prompt log-probabilities come once, with the first piece, and were bounded on admission
}

}  // namespace

void OutputQueue::push(RequestOutput&& piece, int prompt) {
  std::lock_guard lock(mutex_);
  if (closed_ || overflowed_) return;
  bytes_ += piece_bytes(piece);
  if (bytes_ > max_bytes_) {
    overflowed_ = true;
    items_.clear();
    if (wake_) wake_();
    return;
  }
  items_.push_back({std::move(piece), prompt});
  if (items_.size() == 1 && wake_) wake_();
}

void OutputQueue::on_news(std::function<void()> wake) {
  std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
  if (!items_.empty() || overflowed_) wake_();
}

bool OutputQueue::take(std::vector<Item>& items) {
  std::lock_guard lock(mutex_);
  items.clear();
  items.swap(items_);
  bytes_ = 0;
  return !overflowed_;
}

void OutputQueue::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  items_.clear();
  wake_ = nullptr;
}

}  // namespace cairn
