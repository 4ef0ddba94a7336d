// Sampling parameters by the API's names: as flags, and as keys of a JSON object.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "engine/sampling_params.h"
#include "model/checkpoint/checkpoint.h"

namespace cairn {

using Json = nlohmann::ordered_json;

/// Sets the parameter that the API calls `name`. False for a name that is none. Throws invalid_argument for a wrong
/// type, naming the field and what it takes. Null leaves the default.
bool set_sampling_field(SamplingParams& params, std::string_view name, const Json& value);

/// Defaults that come with the model, over the API's.
SamplingParams default_sampling(const GenerationConfig& generation);

/// The flags that a command takes: --max-tokens for max_tokens and so on.
class SamplingFlags {
 public:
  /// Must outlive the parse.
  void add_to(CLI::App& command);
  /// Sets what the flags gave.
  void apply(SamplingParams& params) const;

 private:
  Json given_ = Json::object();
};

}  // namespace cairn
