// Batches as JSON lines: requests in, answers out.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "cli/batch.h"
#include "cli/model_setup.h"
#include "cli/sampling_options.h"

namespace cairn {

/// One line of the input: the request's name, and what to run.
struct BatchLine {
  Json id;  // its custom_id, else its line number
  BatchJob job;
};

/// Reads lines of {"prompt": text or token ids, or "messages": […], "custom_id": …, and sampling parameters over
/// `defaults`}. Blank lines are skipped. A line that is no such object becomes a job with an error that names the line;
/// so does one beyond the server's limits on JSON.
std::vector<BatchLine> read_batch(const std::string& text, const ModelText& model, const SamplingParams& defaults);

/// {"custom_id", "choices": [{"index", "text", "finish_reason", "logprobs"?}], "usage"} or {"custom_id", "error"}.
Json answer_json(const Json& id, const BatchAnswer& answer);

/// Appends lines to a file, each whole and flushed, so that a broken run leaves nothing half-written but its last line.
class LineFile {
 public:
  /// "-" is stdout. Overwrites what is there, but for its first `keep` bytes.
  explicit LineFile(const std::string& path, std::uint64_t keep = 0);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  bool is_file() const { return file_ != stdout; }
  /// Throws resource_exhausted when the line cannot be written.
  void write(const Json& value);

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
};

/// Takes the lines off `lines` whose answers stand in the file at `path`, and returns the size of those answers:
/// without an unfinished last one. 0 when there is no file. Throws invalid_argument for a file one of whose lines has
/// another custom_id than its request, or no request.
std::uint64_t skip_answered(std::vector<BatchLine>& lines, const std::string& path);

}  // namespace cairn
