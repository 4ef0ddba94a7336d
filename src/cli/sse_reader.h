// Server-sent events out of a stream of bytes.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace cairn {

/// Gives each event's data (its "data:" lines joined by newlines) as soon as its blank line has come. Lines may end in
/// \n or \r\n; comments and other fields are passed over.
class SseReader {
 public:
  /// An event of more than `limit` bytes throws resource_exhausted.
  explicit SseReader(std::size_t limit = std::size_t{16} << 20) : limit_(limit) {}
  void push(std::string_view bytes, const std::function<void(std::string_view data)>& on_event);

 private:
  void line(std::string_view text, const std::function<void(std::string_view data)>& on_event);

  std::size_t limit_;
  std::string rest_, data_;
  bool has_data_ = false;
};

}  // namespace cairn
