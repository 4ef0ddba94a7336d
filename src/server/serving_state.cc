#include "server/serving_state.h"

#include <chrono>
#include <random>

#include "server/errors.h"

namespace cairn {

void ServingState::set_ready(ServingContext context) {
  if (!context.engine || !context.tokenizer) fail_invalid("a server needs an engine and a tokenizer");
  auto model = std::make_shared<ServedModel>();
  model->names = config_.served_model_names;
  if (model->names.empty()) model->names = {context.model_path};
  model->created = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                       .count();
  model->metrics = std::make_shared<Metrics>(model->name(), context.engine->runner().max_model_len());
  context.engine->set_observer(model->metrics.get());
  model->context = std::move(context);
  std::lock_guard lock(mutex_);
  model_ = std::move(model);
}

std::shared_ptr<const ServedModel> ServingState::model() const {
  std::lock_guard lock(mutex_);
  return model_;
}

std::shared_ptr<const ServedModel> ServingState::serving_model() const {
  if (stopping_) throw HttpError(503, "The server is stopping and takes no new requests");
  auto ready = model();
  if (!ready) throw HttpError(503, "The model is still being loaded; /health tells when it is ready");
  return ready;
}

std::string ServingState::new_id(const char* prefix) {
  thread_local std::random_device entropy;
  return fmt::format("{}{:08x}{:08x}{:08x}{:08x}", prefix, entropy(), entropy(), entropy(), entropy());
}

}  // namespace cairn
