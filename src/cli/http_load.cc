#include "cli/http_load.h"

#include <fmt/format.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "cli/sse_reader.h"

namespace cairn {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::use_awaitable;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr auto kSilence = std::chrono::minutes(10);  // a server that says nothing for so long is given up

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

http::request<http::string_body> make_request(const LoadConfig& config, http::verb verb, const std::string& path,
                                              std::string body) {
  http::request<http::string_body> request{verb, path, 11};
  const bool v6 = config.host.find(':') != std::string::npos;
  request.set(http::field::host, fmt::format("{}{}{}:{}", v6 ? "[" : "", config.host, v6 ? "]" : "", config.port));
  request.set(http::field::connection, "close");
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  if (!config.api_key.empty()) request.set(http::field::authorization, "Bearer " + config.api_key);
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

// One event of the stream into the sample.
void take_event(LoadSample& sample, std::string_view data, Clock::time_point start) {
  if (data == "[DONE]") return;
  Json event = Json::parse(data, nullptr, false);
  if (!event.is_object()) fail_invalid("an event is not JSON");
  if (event.contains("error")) fail_invalid("{}", event["error"].dump());
  if (event.contains("choices") && !event["choices"].empty()) sample.pieces.push_back(seconds_since(start));
  if (const auto usage = event.find("usage"); usage != event.end() && usage->is_object()) {
    sample.prompt_tokens = usage->value("prompt_tokens", std::int64_t{0});
    sample.completion_tokens = usage->value("completion_tokens", std::int64_t{0});
  }
}

asio::awaitable<void> read_stream(beast::tcp_stream& stream, LoadSample& sample, Clock::time_point start) {
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  co_await http::async_read_header(stream, buffer, parser, use_awaitable);
  SseReader events;
  std::string refused;
  std::vector<char> chunk(1 << 16);
  while (!parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    stream.expires_after(kSilence);
    boost::system::error_code error;
    co_await http::async_read_some(stream, buffer, parser, asio::redirect_error(use_awaitable, error));
    if (error && error != http::error::need_buffer) throw boost::system::system_error(error);
    std::string_view got(chunk.data(), chunk.size() - parser.get().body().size);
    if (parser.get().result() != http::status::ok)
      refused.append(got.substr(0, 2000));
    else
      events.push(got, [&](std::string_view data) { take_event(sample, data, start); });
  }
  if (parser.get().result() != http::status::ok) fail_invalid("HTTP {}: {}", parser.get().result_int(), refused);
}

class Load {
 public:
  Load(const LoadConfig& config, const std::vector<std::string>& bodies,
       const std::function<void(std::size_t)>& on_done, const std::atomic<bool>& stop)
      : config_(config),
        bodies_(bodies),
        on_done_(on_done),
        stop_(stop),
        samples_(bodies.size()),
        random_(config.seed),
        freed_(io_) {}

  std::vector<LoadSample> run() {
    asio::co_spawn(io_, send_all(), asio::detached);
    while (done_ < bodies_.size() && !stop_) {
      io_.run_for(std::chrono::milliseconds(100));
      if (io_.stopped()) io_.restart();
    }
    for (LoadSample& sample : samples_)
      if (sample.end_seconds == 0 && sample.error.empty()) sample.error = "stopped";
    return std::move(samples_);
  }

 private:
  asio::awaitable<void> send_all() {
    auto next = Clock::now();
    std::exponential_distribution<double> gap(std::max(config_.request_rate, 1e-9));
    for (std::size_t i = 0; i < bodies_.size(); ++i) {
      if (config_.request_rate > 0) {
        asio::steady_timer timer(io_, next);
        co_await timer.async_wait(use_awaitable);
        next += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(gap(random_)));
      }
      while (config_.max_concurrency > 0 && open_ >= config_.max_concurrency) {
        freed_.expires_at(Clock::time_point::max());
        boost::system::error_code woken;  // cancelled by the one that ends
        co_await freed_.async_wait(asio::redirect_error(use_awaitable, woken));
      }
      ++open_;
      asio::co_spawn(io_, send(i), asio::detached);
    }
  }

  asio::awaitable<void> send(std::size_t index) {
    LoadSample& sample = samples_[index];
    auto start = Clock::now();
    try {
      beast::tcp_stream stream(io_);
      stream.expires_after(kSilence);
      co_await stream.async_connect(tcp::endpoint(asio::ip::make_address(config_.host), config_.port), use_awaitable);
      stream.socket().set_option(tcp::no_delay(true));
      auto request = make_request(config_, http::verb::post, config_.path, bodies_[index]);
      start = Clock::now();
      co_await http::async_write(stream, request, use_awaitable);
      co_await read_stream(stream, sample, start);
    } catch (const std::exception& error) {
      sample.error = error.what();
    }
    sample.end_seconds = seconds_since(start);
    --open_;
    freed_.cancel();
    ++done_;
    if (on_done_) on_done_(done_);
  }

  asio::io_context io_;
  const LoadConfig& config_;
  const std::vector<std::string>& bodies_;
  const std::function<void(std::size_t)>& on_done_;
  const std::atomic<bool>& stop_;
  std::vector<LoadSample> samples_;
  std::mt19937_64 random_;
  asio::steady_timer freed_;
  int open_ = 0;
  std::size_t done_ = 0;
};

}  // namespace

LoadConfig parse_load_url(const std::string& url) {
  std::string_view rest = url;
  if (!rest.starts_with("http://")) fail_invalid("'{}': a URL such as http://127.0.0.1:8000", url);
  rest.remove_prefix(7);
  rest = rest.substr(0, rest.find('/'));
  std::size_t colon = rest.rfind(':');
  if (rest.ends_with(']')) colon = std::string_view::npos;  // of an IPv6 address without a port
  LoadConfig config;
  std::string host(rest.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  asio::ip::address address = asio::ip::make_address(host, error);
  if (error || !address.is_loopback() || address.is_v6() != bracketed)
    fail_invalid("'{}': load is sent to this machine alone (127.0.0.1, ::1, localhost)", url);
  config.host = host;
  config.port = 80;
  if (colon != std::string_view::npos) {
    std::string_view digits = rest.substr(colon + 1);
    auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), config.port);
    if (problem != std::errc() || end != digits.data() + digits.size() || config.port == 0)
      fail_invalid("'{}': '{}' is not a port", url, digits);
  }
  return config;
}

std::vector<LoadSample> run_load(const LoadConfig& config, const std::vector<std::string>& bodies,
                                 const std::function<void(std::size_t)>& on_done, const std::atomic<bool>& stop) {
  return Load(config, bodies, on_done, stop).run();
}

std::string http_get(const LoadConfig& config, const std::string& path) {
  try {
    asio::io_context io;
    beast::tcp_stream stream(io);
    stream.connect(tcp::endpoint(asio::ip::make_address(config.host), config.port));
    http::write(stream, make_request(config, http::verb::get, path, {}));
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(stream, buffer, response);
    if (response.result() != http::status::ok)
      fail(ErrorKind::not_found, "GET {}: HTTP {}: {}", path, response.result_int(), response.body());
    return response.body();
  } catch (const boost::system::system_error& error) {
    fail(ErrorKind::not_found, "no server at http://{}:{}: {}", config.host, config.port, error.what());
  }
}

}  // namespace cairn
