#include "cli/sse_reader.h"

#include "base/error.h"

namespace cairn {

void SseReader::push(std::string_view bytes, const std::function<void(std::string_view data)>& on_event) {
  std::size_t begin = 0, searched = rest_.size();
  rest_.append(bytes);
  for (std::size_t end = rest_.find('\n', searched); end != std::string::npos; end = rest_.find('\n', begin)) {
    std::string_view text(rest_.data() + begin, end - begin);
    if (text.ends_with('\r')) text.remove_suffix(1);
    line(text, on_event);
    begin = end + 1;
  }
  rest_.erase(0, begin);
  if (rest_.size() + data_.size() > limit_)
    fail(ErrorKind::resource_exhausted, "an event is longer than {} bytes", limit_);
}

void SseReader::line(std::string_view text, const std::function<void(std::string_view data)>& on_event) {
  if (text.empty()) {
    if (has_data_) on_event(data_);
    data_.clear();
    has_data_ = false;
    return;
  }
  if (!text.starts_with("data:")) return;
  text.remove_prefix(5);
  if (text.starts_with(' ')) text.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_.append(text);
  has_data_ = true;
}

}  // namespace cairn
