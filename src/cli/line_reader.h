// Lines from the user: edited and with history on a terminal, plain otherwise.
#pragma once

#include <memory>
#include <string>

namespace cairn {

class LineReader {
 public:
  enum class Kind { line, interrupted, end };
  struct Line {
    Kind kind;
    std::string text;  // without the newline
  };

  explicit LineReader(std::string prompt);
  ~LineReader();
  LineReader(const LineReader&) = delete;

  bool interactive() const;
  Line read();
  /// Makes a read() that waits, or the next one, return `interrupted`. Thread-safe.
  void interrupt();
  /// Forgets an interrupt that no read() has taken.
  void clear_interrupt();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
