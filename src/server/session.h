// One connection: reads requests, lets routes answer them, and ends when either side does.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>

#include "server/app.h"
#include "server/exchange.h"
#include "server/routes.h"

namespace cairn::server {

/// Everything runs on the socket's strand, but close().
class Session final : public Exchange, public std::enable_shared_from_this<Session> {
 public:
  /// The socket's executor is a strand.
  Session(App& app, boost::asio::ip::tcp::socket socket);

  /// Serves the connection to its end. `refused`: too many connections, one 503 is all it gets.
  boost::asio::awaitable<void> run(bool refused);
  /// Ends the connection; from any thread.
  void close();

  const HttpRequest& request() const override { return request_; }
  boost::asio::any_io_executor executor() override { return socket_.get_executor(); }
  void watch_client() override;
  bool gone() const override { return gone_; }
  const std::shared_ptr<Signal>& signal() override { return signal_; }
  boost::asio::awaitable<void> reply(Reply reply) override;
  boost::asio::awaitable<void> begin_stream(std::string content_type) override;
  boost::asio::awaitable<bool> send(std::string piece) override;
  boost::asio::awaitable<void> end_stream() override;

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class Progress { none, replied, streaming, streamed };

  boost::asio::awaitable<bool> serve_one();
  boost::asio::awaitable<boost::system::error_code> read_header();
  boost::asio::awaitable<boost::system::error_code> read_body();
  boost::asio::awaitable<bool> refuse(boost::system::error_code error);
  std::optional<Reply> admit();
  boost::asio::awaitable<void> answer();
  boost::asio::awaitable<void> answer_error(std::exception_ptr error);

  std::string head(int status, const std::string& content_type, const std::string& extra) const;
  boost::asio::awaitable<bool> write(std::string bytes);
  boost::asio::awaitable<void> watch();
  boost::asio::awaitable<void> stop_watching();
  boost::asio::awaitable<void> linger();

  void set_deadline(double seconds);
  void arm_timer();
  void shut();

  App& app_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  std::chrono::steady_clock::time_point armed_ = std::chrono::steady_clock::time_point::max();
  const std::shared_ptr<Signal> signal_;
  boost::beast::flat_buffer buffer_;

  // Of the request at hand:
  std::optional<Parser> parser_;
  HttpRequest request_;
  const Route* route_ = nullptr;
  std::string cors_;  // header lines
  Progress progress_ = Progress::none;
  bool is_head_ = false, keep_alive_ = false, chunked_ = false;

  bool gone_ = false, watching_ = false, end_watch_ = false;
};

}  // namespace cairn::server
