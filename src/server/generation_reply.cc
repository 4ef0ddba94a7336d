#include "server/generation_reply.h"

#include "server/errors.h"

namespace cairn {

GenerationReply::GenerationReply(Engine& engine, std::vector<Request> requests, std::unique_ptr<AnswerWriter> writer,
                                 bool streamed, std::shared_ptr<const Tokenizer> tokenizer)
    : engine_(engine),
      queue_(std::make_shared<OutputQueue>(kMaxQueuedBytes)),
      tokenizer_(std::move(tokenizer)),
      writer_(std::move(writer)),
      streamed_(streamed) {
  try {
    for (Request& request : requests) {
      live_ids_.push_back(request.id);
      const int prompt = static_cast<int>(num_live_);
      engine_.submit(std::move(request),
                     [queue = queue_, prompt](RequestOutput&& piece) { queue->push(std::move(piece), prompt); });
      ++num_live_;
    }
  } catch (...) {
    live_ids_.pop_back();  // the refused one: that id may be another's
    cancel();
    throw;
  }
}

GenerationReply::~GenerationReply() { cancel(); }

void GenerationReply::cancel() {
  queue_->close();
  for (const std::string& id : live_ids_) {
    if (!id.empty()) engine_.cancel(id);
  }
}

PendingReply::Progress GenerationReply::poll(HttpResponse& response) {
  std::vector<OutputQueue::Item> items;
  if (!queue_->take(items)) return Progress::broken;
  for (auto& [piece, prompt] : items) {
    if (piece.last) {
      live_ids_[prompt].clear();
      --num_live_;
    }
    if (piece.finish_reason == FinishReason::error) return fail(piece, response);
    writer_->take(std::move(piece), prompt, response.body);
  }
  if (num_live_ > 0) return Progress::more;
  writer_->end(response.body);
  return Progress::done;
}

PendingReply::Progress GenerationReply::fail(const RequestOutput& piece, HttpResponse& response) {
  const std::string message = piece.error.empty() ? "the model failed" : piece.error;
  if (streamed_) {
    append_event(response.body, error_body(500, message));
    append_event(response.body, "[DONE]");
  } else {
    response = error_response(500, message);
  }
  return Progress::done;
}

}  // namespace cairn
