#include "cli/batch.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "base/error.h"

namespace cairn {
namespace {

struct Inbox {
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::pair<std::size_t, RequestOutput>> pieces;
};

class BatchRun {
 public:
  BatchRun(Engine& engine, const std::vector<BatchJob>& jobs, const BatchEvents& events)
      : engine_(engine), jobs_(jobs), events_(events), inbox_(std::make_shared<Inbox>()) {
    window_ = std::min(2 * engine.runner().max_num_seqs(), engine.config().max_waiting);
  }

  std::size_t run(const std::atomic<bool>& stop) {
    using namespace std::chrono_literals;
    bool stopped = false;
    while (true) {
      if (stop && !stopped) {
        stopped = true;
        next_ = jobs_.size();
        for (const auto& [job, answer] : live_) engine_.cancel(name(job));
      }
      while (next_ < jobs_.size() && live_sequences_ < window_) submit(next_++);
      report_in_order();
      if (live_.empty()) return reported_;
      std::vector<std::pair<std::size_t, RequestOutput>> pieces;
      {
        std::unique_lock lock(inbox_->mutex);
        inbox_->arrived.wait_for(lock, 50ms, [&] { return !inbox_->pieces.empty(); });
        pieces.swap(inbox_->pieces);
      }
      for (auto& [job, piece] : pieces) take(job, std::move(piece));
      if (events_.on_progress) events_.on_progress(tokens_, finished_);
    }
  }

 private:
  // Unlike any of an earlier run, whose last requests the engine may still be forgetting.
  std::string name(std::size_t job) const { return fmt::format("batch-{}-{}", started_, job); }

  void submit(std::size_t index) {
    const BatchJob& job = jobs_[index];
    if (!job.error.empty()) return end_with_error(index, job.error);
    Request request;
    request.id = name(index);
    request.prompt_token_ids = job.prompt;
    request.params = job.params;
    try {
      // The inbox is shared, as a last piece may still be on its way when this object goes.
      engine_.submit(std::move(request), [inbox = inbox_, index](RequestOutput&& piece) {
        std::lock_guard lock(inbox->mutex);
        inbox->pieces.emplace_back(index, std::move(piece));
        inbox->arrived.notify_one();
      });
      live_[index].choices.resize(static_cast<std::size_t>(job.params.n));
      live_sequences_ += job.params.n;
    } catch (const Error& error) {
      end_with_error(index, error.what());
    }
  }

  void end_with_error(std::size_t index, const std::string& error) {
    ended_[index].error = error;
    ++finished_;
  }

  void take(std::size_t index, RequestOutput&& piece) {
    BatchAnswer& answer = live_.at(index);
    BatchChoice& choice = answer.choices.at(static_cast<std::size_t>(piece.index));
    if (events_.on_piece) events_.on_piece(index, piece);
    tokens_ += static_cast<std::int64_t>(piece.token_ids.size());
    answer.completion_tokens += static_cast<int>(piece.token_ids.size());
    answer.prompt_tokens = piece.prompt_tokens;
    answer.cached_tokens = piece.cached_tokens;
    choice.text += piece.text;
    choice.token_ids.insert(choice.token_ids.end(), piece.token_ids.begin(), piece.token_ids.end());
    choice.logprobs.insert(choice.logprobs.end(), piece.logprobs.begin(), piece.logprobs.end());
    if (piece.finish_reason) choice.finish_reason = to_string(*piece.finish_reason);
    if (piece.finish_reason == FinishReason::abort) answer.cancelled = true;
    if (!piece.error.empty()) answer.error = piece.error;
    if (!piece.last) return;
    live_sequences_ -= static_cast<std::int64_t>(answer.choices.size());
    ended_[index] = std::move(answer);
    live_.erase(index);
    ++finished_;
  }

  void report_in_order() {
    for (auto next = ended_.find(reported_); next != ended_.end() && !next->second.cancelled;
         next = ended_.find(reported_)) {
      if (events_.on_answer) events_.on_answer(reported_, next->second);
      ended_.erase(next);
      ++reported_;
    }
  }

  Engine& engine_;
  const std::vector<BatchJob>& jobs_;
  const BatchEvents& events_;
  std::shared_ptr<Inbox> inbox_;
  std::int64_t started_ = std::chrono::steady_clock::now().time_since_epoch().count();
  std::size_t next_ = 0, reported_ = 0, finished_ = 0;
  std::int64_t window_ = 0, live_sequences_ = 0;  // in sequences, as the engine's queue counts: a job has n
  std::int64_t tokens_ = 0;
  std::map<std::size_t, BatchAnswer> live_, ended_;
};

}  // namespace

std::size_t run_batch(Engine& engine, const std::vector<BatchJob>& jobs, const BatchEvents& events,
                      const std::atomic<bool>& stop) {
  return BatchRun(engine, jobs, events).run(stop);
}

}  // namespace cairn
