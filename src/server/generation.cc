#include "server/generation.h"

#include <utility>

#include "server/api_error.h"
#include "server/output_mailbox.h"

namespace cairn::server {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMaxPendingBytes = 8 << 20;

// The engine's requests of one job; those not over are cancelled when it goes.
class LiveRequests {
 public:
  LiveRequests(Engine& engine, Exchange& exchange)
      : engine_(engine),
        mailbox_(std::make_shared<OutputMailbox>(exchange.executor(), exchange.signal(), kMaxPendingBytes)) {}
  ~LiveRequests() {
    mailbox_->close();
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      if (!over_[i]) engine_.cancel(ids_[i]);
    }
  }
  LiveRequests(const LiveRequests&) = delete;
  LiveRequests& operator=(const LiveRequests&) = delete;

  void submit(GenerationJob& job) {
    for (std::size_t i = 0; i < job.prompts.size(); ++i) {
      Request request;
      request.id = i == 0 ? job.id : job.id + "-" + std::to_string(i);
      request.prompt_token_ids = std::move(job.prompts[i]);
      request.params = std::move(job.params[i]);
      request.priority = job.priority;
      request.cache_salt = job.cache_salt;
      const std::string id = request.id;
      engine_.submit(std::move(request), [mailbox = mailbox_, i](RequestOutput&& output) {
        mailbox->push({i, std::move(output)});
      });
      ids_.push_back(id);
      over_.push_back(false);
      ++num_live_;
    }
  }

  std::vector<Piece> take() {
    std::vector<Piece> pieces = mailbox_->take();
    for (const Piece& piece : pieces) {
      if (!piece.output.last) continue;
      over_[piece.prompt] = true;
      --num_live_;
    }
    return pieces;
  }
  bool all_over() const { return num_live_ == 0; }
  bool overflowed() const { return mailbox_->overflowed(); }

 private:
  Engine& engine_;
  std::shared_ptr<OutputMailbox> mailbox_;
  std::vector<std::string> ids_;
  std::vector<bool> over_;
  std::size_t num_live_ = 0;
};

std::string event(const Json& data) { return "data: " + to_text(data) + "\n\n"; }
std::string error_event(const std::string& message) { return "data: " + error_body(500, message) + "\n\n"; }

bool failed(const Piece& piece) { return piece.output.finish_reason == FinishReason::error; }

// The events that pieces become; `error` is set when one tells of a failure.
std::string stream_events(const std::vector<Piece>& pieces, const GenerationJob& job, AnswerWriter& writer,
                          std::string& error) {
  std::string events;
  for (const Piece& piece : pieces) {
    if (failed(piece)) {
      error = piece.output.error;
      break;
    }
    for (Json& chunk : writer.chunks(piece)) {
      if (job.continuous_usage) chunk["usage"] = UsageCounter::of(piece);
      events += event(chunk);
    }
  }
  return events;
}

asio::awaitable<void> stream_answer(LiveRequests& live, Exchange& exchange, const GenerationJob& job,
                                    AnswerWriter& writer, UsageCounter& usage) {
  std::string content_type = "text/event-stream; charset=utf-8";
  co_await exchange.begin_stream(std::move(content_type));
  while (!live.all_over()) {
    const std::vector<Piece> pieces = live.take();
    if (exchange.gone() || live.overflowed()) co_return;
    if (pieces.empty()) {
      co_await exchange.signal()->wait();
      continue;
    }
    for (const Piece& piece : pieces) usage.add(piece);
    std::string error;
    std::string events = stream_events(pieces, job, writer, error);
    if (!error.empty()) events += error_event(error) + "data: [DONE]\n\n";
    if (!events.empty()) {
      const bool sent = co_await exchange.send(std::move(events));
      if (!sent) co_return;
    }
    if (error.empty()) continue;
    co_await exchange.end_stream();
    co_return;
  }
  std::string last;
  if (job.include_usage) {
    Json chunk = writer.empty_chunk();
    chunk["usage"] = usage.total();
    last = event(chunk);
  }
  last += "data: [DONE]\n\n";
  const bool sent = co_await exchange.send(std::move(last));
  if (sent) co_await exchange.end_stream();
}

asio::awaitable<void> whole_answer(LiveRequests& live, Exchange& exchange, AnswerWriter& writer, UsageCounter& usage) {
  while (!live.all_over()) {
    std::vector<Piece> pieces = live.take();
    if (exchange.gone() || live.overflowed()) co_return;
    if (pieces.empty()) {
      co_await exchange.signal()->wait();
      continue;
    }
    for (Piece& piece : pieces) {
      usage.add(piece);
      if (failed(piece)) throw ApiError(500, piece.output.error);
      writer.gather(std::move(piece));
    }
  }
  Json answer = writer.whole();
  answer["usage"] = usage.total();
  Reply reply;
  reply.body = to_text(answer);
  co_await exchange.reply(std::move(reply));
}

}  // namespace

asio::awaitable<void> run_generation(std::shared_ptr<const Serving> serving, Exchange& exchange, GenerationJob job,
                                     std::unique_ptr<AnswerWriter> writer) {
  LiveRequests live(serving->engine(), exchange);
  live.submit(job);
  exchange.watch_client();
  UsageCounter usage;
  if (!job.count_completions) usage.forget_completions();
  if (job.stream) {
    co_await stream_answer(live, exchange, job, *writer, usage);
  } else {
    co_await whole_answer(live, exchange, *writer, usage);
  }
}

}  // namespace cairn::server
