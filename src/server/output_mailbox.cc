#include "server/output_mailbox.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace cairn::server {
namespace {

std::size_t size_of(const RequestOutput& output) {
  std::size_t bytes = sizeof(Piece) + output.text.size() + output.token_ids.size() * sizeof(int);
  for (const PositionLogprobs& position : output.logprobs) {
    bytes += sizeof(position) + position.top.size() * sizeof(TokenLogprob);
  }
  for (const auto& position : output.prompt_logprobs) {
    bytes += sizeof(position) + (position ? position->top.size() * sizeof(TokenLogprob) : 0);
  }
  return bytes;
}

}  // namespace

void OutputMailbox::push(Piece piece) {
  std::lock_guard lock(mutex_);
  if (closed_ || overflowed_) return;
  const bool was_empty = pieces_.empty();
  // A first piece always fits: prompt log-probabilities come as one.
  bytes_ += size_of(piece.output);
  overflowed_ = !was_empty && bytes_ > max_bytes_;
  if (!overflowed_) pieces_.push_back(std::move(piece));
  // Posted under the lock, so that close() leaves nothing behind that could outlive the executor.
  if (was_empty || overflowed_) boost::asio::post(executor_, [signal = signal_] { signal->notify(); });
}

std::vector<Piece> OutputMailbox::take() {
  std::lock_guard lock(mutex_);
  bytes_ = 0;
  return std::exchange(pieces_, {});
}

bool OutputMailbox::overflowed() const {
  std::lock_guard lock(mutex_);
  return overflowed_;
}

void OutputMailbox::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  pieces_.clear();
  signal_.reset();
  executor_ = {};
}

}  // namespace cairn::server
