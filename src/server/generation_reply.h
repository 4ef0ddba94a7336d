// A generation as a pending reply: submits to the engine, turns pieces into the answer, cancels when the client leaves.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/answer.h"
#include "server/http_message.h"
#include "server/output_queue.h"

namespace cairn {

/// Bytes of pieces that may wait for a slow reader.
inline constexpr std::size_t kMaxQueuedBytes = std::size_t{16} << 20;

class GenerationReply final : public PendingReply {
 public:
  /// Submits one engine request a prompt (ids must be unique); when one is refused, those before it are cancelled and the
  /// engine's error is thrown.
  GenerationReply(Engine& engine, std::vector<Request> requests, std::unique_ptr<AnswerWriter> writer, bool streamed,
                  std::shared_ptr<const Tokenizer> tokenizer);
  ~GenerationReply() override;

  void on_news(std::function<void()> wake) override { queue_->on_news(std::move(wake)); }
  Progress poll(HttpResponse& response) override;

 private:
  void cancel();
  Progress fail(const RequestOutput& piece, HttpResponse& response);

  Engine& engine_;
  std::vector<std::string> live_ids_;  // by prompt; "" once ended
  std::size_t num_live_ = 0;
  const std::shared_ptr<OutputQueue> queue_;  // shared with the sinks, which may outlive this
  const std::shared_ptr<const Tokenizer> tokenizer_;  // the writer refers to it
  const std::unique_ptr<AnswerWriter> writer_;
  const bool streamed_;
};

}  // namespace cairn
