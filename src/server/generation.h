// Runs the engine for one HTTP request and sends the answer, as a stream or as a whole.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/answer.h"
#include "server/app.h"
#include "server/coroutine.h"
#include "server/exchange.h"

namespace cairn::server {

struct GenerationJob {
  std::string id;                         // the requests' ids are made from it
  std::vector<std::vector<int>> prompts;  // token ids
  std::vector<SamplingParams> params;     // one a prompt
  int priority = 0;
  std::string cache_salt;
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;
  bool count_completions = true;
};

/// Submits the job and answers through `exchange` in the writer's form. When the client goes away, falls too far
/// behind, or anything fails, all of the job's requests are cancelled. Errors before the first byte are thrown; later
/// ones are sent within the stream.
boost::asio::awaitable<void> run_generation(std::shared_ptr<const Serving> serving, Exchange& exchange,
                                            GenerationJob job, std::unique_ptr<AnswerWriter> writer);

}  // namespace cairn::server
