#include "server/session.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/http/read.hpp>
#include <functional>
#include <utility>

#include "server/api_error.h"
#include "server/coroutine.h"
#include "server/http_text.h"
#include "server/work.h"

namespace cairn::server {
namespace {

// Arguments of awaited calls are named variables throughout: what an aggregate's braces or a lambda's captures make
// within a co_await expression, g++ 12 destroys twice.

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kMaxHeaderBytes = 32 << 10;
constexpr std::size_t kMaxPipelinedBytes = 64 << 10;  // read ahead while an answer is in the making
constexpr double kLingerSeconds = 2;
constexpr double kForever = -1;

}  // namespace

Session::Session(App& app, asio::ip::tcp::socket socket)
    : app_(app),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      signal_(std::make_shared<Signal>(socket_.get_executor())) {}

asio::awaitable<void> Session::run(bool refused) {
  const std::shared_ptr<Session> self = shared_from_this();
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (refused) {
    Reply refusal = error_reply(503, "too many connections");
    co_await reply(std::move(refusal));
    co_await linger();
  }
  for (bool more = !refused; more;) more = co_await serve_one();
  shut();
}

// Reads and answers one request; false when the connection is over.
asio::awaitable<bool> Session::serve_one() {
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(app_.config.max_body_bytes);
  progress_ = Progress::none;
  is_head_ = keep_alive_ = chunked_ = false;
  cors_.clear();
  const error_code header_error = co_await read_header();
  const App::Busy busy(app_);
  if (header_error) co_return co_await refuse(header_error);
  std::optional<Reply> early = admit();
  if (early) {
    const bool body_follows = !parser_->is_done();
    if (body_follows) keep_alive_ = false;
    co_await reply(std::move(*early));
    if (body_follows) co_await linger();
    co_return keep_alive_ && !gone_;
  }
  const error_code body_error = co_await read_body();
  if (body_error) co_return co_await refuse(body_error);
  request_.body = std::move(parser_->get().body());
  co_await answer();
  co_await stop_watching();
  co_return keep_alive_ && !gone_ && (progress_ == Progress::replied || progress_ == Progress::streamed);
}

asio::awaitable<error_code> Session::read_header() {
  error_code error;
  bool begun = buffer_.size() > 0;
  set_deadline(begun ? app_.config.stall_seconds : app_.config.idle_seconds);
  while (!error && !parser_->is_header_done()) {
    co_await http::async_read_some(socket_, buffer_, *parser_, asio::redirect_error(asio::use_awaitable, error));
    // From its first byte on, all of the header has to come within one time limit.
    if (!std::exchange(begun, true)) set_deadline(app_.config.stall_seconds);
  }
  co_return error;
}

asio::awaitable<error_code> Session::read_body() {
  if (!parser_->is_done() && parser_->get()[http::field::expect] == "100-continue") {
    std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const bool sent = co_await write(std::move(go_on));
    if (!sent) co_return asio::error::eof;
  }
  error_code error;
  while (!error && !parser_->is_done()) {
    set_deadline(app_.config.stall_seconds);
    co_await http::async_read_some(socket_, buffer_, *parser_, asio::redirect_error(asio::use_awaitable, error));
  }
  set_deadline(kForever);
  co_return error;
}

// Answers what cannot be read as a request, as far as the client may still listen.
asio::awaitable<bool> Session::refuse(error_code error) {
  static const auto& parse_errors = http::make_error_code(http::error::bad_method).category();
  if (gone_ || error.category() != parse_errors || error == http::error::end_of_stream ||
      error == http::error::partial_message) {
    co_return false;
  }
  Reply refusal = error_reply(400, "malformed HTTP request: " + error.message());
  if (error == http::error::body_limit) {
    refusal = error_reply(413, fmt::format("the request's body is larger than {} bytes", app_.config.max_body_bytes));
  } else if (error == http::error::header_limit) {
    refusal = error_reply(431, fmt::format("the request's header is larger than {} bytes", kMaxHeaderBytes));
  }
  keep_alive_ = false;
  co_await reply(std::move(refusal));
  co_await linger();
  co_return false;
}

// Judges a request by its header. A reply means that the body need not be read.
std::optional<Reply> Session::admit() {
  const auto& message = parser_->get();
  const auto view = [](boost::beast::string_view text) { return std::string_view(text.data(), text.size()); };
  request_.method = std::string(view(message.method_string()));
  request_.path = target_path(view(message.target()));
  request_.body.clear();
  is_head_ = message.method() == http::verb::head;
  keep_alive_ = message.keep_alive() && !app_.stopping;
  chunked_ = message.version() >= 11;
  cors_ = cors_headers(view(message[http::field::origin]), app_.config.allowed_origins);
  if (message.method() == http::verb::options) {
    Reply preflight;
    preflight.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS"},
                         {"Access-Control-Max-Age", "600"}};
    const auto wanted = message[http::field::access_control_request_headers];
    if (!wanted.empty()) preflight.headers.emplace_back("Access-Control-Allow-Headers", std::string(view(wanted)));
    return preflight;
  }
  try {
    route_ = &find_route(request_.method, request_.path);
  } catch (...) {
    return error_reply(std::current_exception());
  }
  if (route_->needs_key && !app_.config.api_keys.empty() &&
      !has_key(view(message[http::field::authorization]), app_.config.api_keys)) {
    Reply unauthorized;
    unauthorized.status = 401;
    unauthorized.body = R"({"error":"Unauthorized"})";
    unauthorized.headers.emplace_back("WWW-Authenticate", "Bearer");
    return unauthorized;
  }
  return std::nullopt;
}

asio::awaitable<void> Session::answer() {
  std::exception_ptr error;
  try {
    if (route_->answer != nullptr) {
      Reply immediate;
      const std::function<void()> work = [&] { immediate = route_->answer(app_, request_); };
      co_await do_work(app_, *this, work);
      co_await reply(std::move(immediate));
    } else {
      co_await route_->converse(app_, *this);
    }
  } catch (...) {
    error = std::current_exception();
  }
  if (error) co_await answer_error(std::move(error));
}

asio::awaitable<void> Session::answer_error(std::exception_ptr error) {
  Reply told = error_reply(error);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    const auto level = told.status == 500 ? spdlog::level::err : spdlog::level::debug;
    app_.log->log(level, "{} {}: {} {}", request_.method, request_.path, told.status, exception.what());
  } catch (...) {
    app_.log->error("{} {}: an unknown exception", request_.method, request_.path);
  }
  if (progress_ == Progress::none) {
    co_await reply(std::move(told));
  } else if (progress_ == Progress::streaming) {
    std::string events = "data: " + told.body + "\n\ndata: [DONE]\n\n";
    const bool sent = co_await send(std::move(events));
    if (sent) co_await end_stream();
  }
}

// Status line and header of a reply, but for its length.
std::string Session::head(int status, const std::string& content_type, const std::string& extra) const {
  return fmt::format("HTTP/1.1 {} {}\r\nServer: cairn\r\nDate: {}\r\nContent-Type: {}\r\nConnection: {}\r\n{}{}",
                     status, reason_phrase(status), http_date(), content_type, keep_alive_ ? "keep-alive" : "close",
                     cors_, extra);
}

asio::awaitable<void> Session::reply(Reply reply) {
  if (app_.stopping) keep_alive_ = false;
  std::string extra = fmt::format("Content-Length: {}\r\n", reply.body.size());
  for (const auto& [name, value] : reply.headers) extra += fmt::format("{}: {}\r\n", name, value);
  std::string bytes = head(reply.status, reply.content_type, extra) + "\r\n";
  if (!is_head_) bytes += reply.body;
  progress_ = Progress::replied;
  co_await write(std::move(bytes));
}

asio::awaitable<void> Session::begin_stream(std::string content_type) {
  if (!chunked_ || app_.stopping) keep_alive_ = false;
  progress_ = Progress::streaming;
  std::string extra = "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n";
  if (chunked_) extra += "Transfer-Encoding: chunked\r\n";
  std::string bytes = head(200, content_type, extra) + "\r\n";
  co_await write(std::move(bytes));
}

asio::awaitable<bool> Session::send(std::string piece) {
  if (chunked_) piece = chunk(piece);
  const bool sent = co_await write(std::move(piece));
  co_return sent;
}

asio::awaitable<void> Session::end_stream() {
  progress_ = Progress::streamed;
  if (!chunked_) co_return;
  std::string last_chunk = "0\r\n\r\n";
  co_await write(std::move(last_chunk));
}

// Writes everything; false when the client is gone or takes nothing for the stall time.
asio::awaitable<bool> Session::write(std::string bytes) {
  std::size_t done = 0;
  error_code error;
  while (done < bytes.size() && !gone_) {
    set_deadline(app_.config.stall_seconds);
    done += co_await socket_.async_write_some(asio::buffer(bytes.data() + done, bytes.size() - done),
                                              asio::redirect_error(asio::use_awaitable, error));
    if (error) gone_ = true;
  }
  set_deadline(kForever);
  co_return !gone_;
}

void Session::watch_client() {
  if (watching_) return;
  watching_ = true;
  end_watch_ = false;
  asio::co_spawn(
      socket_.get_executor(), [self = shared_from_this()] { return self->watch(); }, asio::detached);
}

// Reads ahead, so that the end of the stream shows. Bytes that come are the next request's.
asio::awaitable<void> Session::watch() {
  error_code error;
  while (!end_watch_ && buffer_.size() < kMaxPipelinedBytes) {
    const std::size_t size =
        co_await socket_.async_read_some(buffer_.prepare(4096), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    buffer_.commit(size);
  }
  // Also when the watch was to end anyway: the end of a stream is told but once, and the next read would wait in vain.
  if (error && error != asio::error::operation_aborted) gone_ = true;
  watching_ = false;
  signal_->notify();
}

asio::awaitable<void> Session::stop_watching() {
  end_watch_ = true;
  error_code ignored;
  while (watching_) {
    socket_.cancel(ignored);
    co_await signal_->wait();
  }
}

// A reply is lost when the socket is closed with unread bytes, so those are read for a moment.
asio::awaitable<void> Session::linger() {
  if (gone_) co_return;
  error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  set_deadline(kLingerSeconds);
  std::string discarded(16 << 10, '\0');
  while (!error && !gone_) {
    co_await socket_.async_read_some(asio::buffer(discarded), asio::redirect_error(asio::use_awaitable, error));
  }
}

void Session::set_deadline(double seconds) {
  deadline_ = Clock::time_point::max();
  if (seconds >= 0) {
    deadline_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  if (deadline_ < armed_) arm_timer();
}

// A later deadline costs nothing: the timer, when it goes off, looks how things stand.
void Session::arm_timer() {
  armed_ = deadline_;
  if (gone_ || armed_ == Clock::time_point::max()) return;
  timer_.expires_at(armed_);
  timer_.async_wait([weak = weak_from_this()](error_code error) {
    const std::shared_ptr<Session> self = weak.lock();
    if (error || !self) return;
    if (Clock::now() < self->deadline_) {
      self->arm_timer();
    } else {
      self->shut();
    }
  });
}

void Session::shut() {
  gone_ = true;
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  signal_->notify();
}

void Session::close() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->shut(); });
}

}  // namespace cairn::server
