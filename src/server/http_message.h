// HTTP requests and replies as plain values, so that handlers know nothing of sockets.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn {

struct HttpRequest {
  std::string method;  // upper case
  std::string path;    // percent-decoded, without the query
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  /// The first header of that (lower-case) name, or "".
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// An answer that comes over time. Belongs to the connection's thread; destroying it stops what produces it.
class PendingReply {
 public:
  virtual ~PendingReply() = default;

  enum class Progress {
    more,    // wait for the next notification
    done,    // nothing follows
    broken,  // cannot go on; the connection is to be cut
  };
  /// Has `wake` called, from any thread, whenever poll() may have something new. Called once, before poll().
  virtual void on_news(std::function<void()> wake) = 0;
  /// Takes what is there without waiting. A streamed reply appends to `response.body` what is to be sent next; another
  /// one fills in the whole response before it says done.
  virtual Progress poll(HttpResponse& response) = 0;
  /// How often to poll without being woken.
  virtual std::optional<std::chrono::milliseconds> interval() const { return std::nullopt; }
};

/// What a handler returns: a whole response, or one that `pending` will make. When `streamed`, the head of `response` is
/// sent at once and its body comes from `pending` in chunks.
struct Reply {
  HttpResponse response;
  std::unique_ptr<PendingReply> pending;
  bool streamed = false;
};

/// How a response is framed on the wire.
struct Framing {
  bool http_1_0 = false;
  bool keep_alive = true;
  bool chunked = false;  // instead of Content-Length
};

/// Status line and headers, ending in the empty line.
std::string format_head(const HttpResponse& response, const Framing& framing);
/// One chunk of a chunked body; `data` must not be empty.
std::string format_chunk(std::string_view data);
/// One server-sent event; `data` must not hold line ends.
void append_event(std::string& out, std::string_view data);

/// Splits a request target into path and query; the path is percent-decoded. False when it is malformed.
bool split_target(std::string_view target, std::string& path, std::string& query);

}  // namespace cairn
