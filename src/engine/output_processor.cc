#include "engine/output_processor.h"

#include <spdlog/spdlog.h>

#include <exception>

#include "base/error.h"

namespace cairn {
namespace {

double seconds(EngineClock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

void OutputProcessor::start(std::shared_ptr<const RequestInfo> request, OutputSink sink) {
  Live& live = live_[request->key];
  live.done.resize(static_cast<std::size_t>(request->params.n));
  live.request = std::move(request);
  live.sink = std::move(sink);
}

void OutputProcessor::process(SequenceOutput&& output, EngineObserver* observer) {
  const auto found = live_.find(output.request_key);
  if (found == live_.end() || found->second.done[output.index]) return;
  Live& live = found->second;
  const SamplingParams& params = live.request->params;
  Choice& choice = live.choices.try_emplace(output.index, tokenizer_, params).first->second;

  RequestOutput piece;
  piece.request_id = live.request->id;
  piece.index = output.index;
  piece.prompt_tokens = static_cast<int>(live.request->prompt.size());
  piece.finish_reason = output.finish_reason;
  piece.stop_reason = std::move(output.stop_reason);
  piece.error = std::move(output.error);
  piece.prompt_logprobs = std::move(output.prompt_logprobs);
  if (output.first_scheduled && !live.first_scheduled) live.first_scheduled = output.first_scheduled;
  if (output.index == 0) live.cached_tokens = output.cached_tokens;
  if (output.token) take_token(live, choice, output, piece, observer);
  if (output.logprobs) piece.logprobs.push_back(std::move(*output.logprobs));
  const bool stopped_here = piece.finish_reason && !output.finish_reason;
  if (piece.finish_reason && !std::holds_alternative<std::string>(piece.stop_reason)) {
    const std::string rest = params.detokenize ? choice.detokenizer.flush() : "";
    take_text(params, choice, rest, piece);
    piece.text += choice.held_text;
  }
  piece.cached_tokens = live.cached_tokens;
  piece.completion_tokens = choice.num_tokens;
  if (!piece.finish_reason) {
    deliver(live, std::move(piece));
    return;
  }

  if (stopped_here) ended_.push_back({output.request_key, output.index});
  live.choices.erase(output.index);
  live.done[output.index] = true;
  piece.last = ++live.num_done == params.n;
  const bool last = piece.last;
  const FinishReason reason = *piece.finish_reason;
  deliver(live, std::move(piece));
  if (!last) return;
  if (observer != nullptr) report_finished(live, reason, output.time, *observer);
  live_.erase(found);
  ended_.push_back({output.request_key, -1});
}

void OutputProcessor::take_token(Live& live, Choice& choice, const SequenceOutput& output, RequestOutput& piece,
                                 EngineObserver* observer) {
  const SamplingParams& params = live.request->params;
  if (observer != nullptr) {
    if (!live.first_token) observer->on_first_token(seconds(output.time - live.request->arrival));
    if (choice.num_tokens > 0) observer->on_inter_token(seconds(output.time - choice.last_token));
  }
  if (!live.first_token) live.first_token = output.time;
  live.last_token = choice.last_token = output.time;
  ++live.generation_tokens;
  ++choice.num_tokens;
  piece.token_ids.push_back(*output.token);
  // The token that ended the answer is reported, but its text is not part of the answer unless asked for.
  const bool ends = output.finish_reason == FinishReason::stop && !params.include_stop_str_in_output;
  if (params.detokenize && !ends) take_text(params, choice, detokenize(choice, *output.token), piece);
}

// Passes on new text as far as no stop string may begin in it; ends the piece at a stop string.
void OutputProcessor::take_text(const SamplingParams& params, Choice& choice, std::string text, RequestOutput& piece) {
  if (choice.stop_strings.empty()) {
    piece.text += text;
    return;
  }
  const std::size_t before = choice.held_text.size();
  const auto match = choice.stop_strings.push(text, choice.num_tokens > params.min_tokens);
  choice.held_text += text;
  if (match) {
    const std::string& stop = choice.stop_strings.string(match->string);
    std::size_t end = before + match->end;
    // With include_stop_str nothing is held, so the string may have begun in a piece already sent.
    if (!params.include_stop_str_in_output) end -= stop.size();
    piece.text += choice.held_text.substr(0, end);
    choice.held_text.clear();
    piece.finish_reason = FinishReason::stop;
    piece.stop_reason = stop;
    return;
  }
  const std::size_t held = params.include_stop_str_in_output ? 0 : choice.stop_strings.held_back();
  const std::size_t ready = choice.held_text.size() - held;
  piece.text += choice.held_text.substr(0, ready);
  choice.held_text.erase(0, ready);
}

// A model's vocabulary may be padded beyond the tokenizer's: such tokens have no text.
std::string OutputProcessor::detokenize(Choice& choice, int token) {
  if (token >= tokenizer_.vocab_size()) return {};
  try {
    return choice.detokenizer.push(token);
  } catch (const Error&) {
    return {};
  }
}

void OutputProcessor::deliver(Live& live, RequestOutput&& piece) {
  try {
    live.sink(std::move(piece));
  } catch (const std::exception& error) {
    log_->error("the output sink of request {} threw: {}", live.request->id, error.what());
  }
}

void OutputProcessor::report_finished(const Live& live, FinishReason reason, EngineClock::time_point now,
                                      EngineObserver& observer) {
  const EngineClock::time_point arrival = live.request->arrival;
  EngineObserver::Finished finished{};
  finished.reason = reason;
  finished.prompt_tokens = static_cast<int>(live.request->prompt.size());
  finished.generation_tokens = live.generation_tokens;
  finished.n = live.request->params.n;
  finished.e2e_seconds = seconds(now - arrival);
  finished.queue_seconds = seconds(live.first_scheduled.value_or(now) - arrival);
  if (live.first_token && live.first_scheduled) {
    finished.prefill_seconds = seconds(*live.first_token - *live.first_scheduled);
    finished.decode_seconds = seconds(*live.last_token - *live.first_token);
    finished.inference_seconds = seconds(*live.last_token - *live.first_scheduled);
  }
  observer.on_finished(finished);
}

}  // namespace cairn
