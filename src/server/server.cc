#include "server/server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "server/app.h"
#include "server/coroutine.h"
#include "server/session.h"

namespace cairn {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using server::App;
using server::Session;
using tcp = asio::ip::tcp;
using namespace std::chrono_literals;

constexpr int kIoThreads = 2;
constexpr auto kFlushTime = 2s;  // for answers to reach their clients once the engine is done
constexpr auto kEndTime = 5s;    // for connections to notice that they are closed

tcp::endpoint resolve(asio::io_context& io, const ServerConfig& config) {
  if (config.port < 0 || config.port > 65535) fail_invalid("port must be in [0, 65535], got {}", config.port);
  tcp::resolver resolver(io);
  error_code error;
  const auto found = resolver.resolve(config.host, std::to_string(config.port), tcp::resolver::passive, error);
  if (error || found.empty()) fail_invalid("host \"{}\" cannot be resolved: {}", config.host, error.message());
  return found.begin()->endpoint();
}

void listen(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, const ServerConfig& config) {
  error_code error;
  const auto check = [&](const char* what) {
    if (!error) return;
    const bool taken = error == asio::error::address_in_use;
    fail(taken ? ErrorKind::resource_exhausted : ErrorKind::invalid_argument, "cannot {} {} port {}: {}", what,
         config.host, config.port, taken ? "the port is already in use" : error.message());
  };
  acceptor.open(endpoint.protocol(), error);
  check("open a socket for");
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  check("set up");
  acceptor.bind(endpoint, error);
  check("bind to");
  acceptor.listen(tcp::acceptor::max_listen_connections, error);
  check("listen on");
}

}  // namespace

struct Server::Impl {
  Impl(ServerConfig config, Log log)
      : app(std::move(config), std::move(log)), io(kIoThreads), acceptor(asio::make_strand(io)) {
    listen(acceptor, resolve(io, app.config), app.config);
    port = acceptor.local_endpoint().port();
  }

  asio::awaitable<void> accept_connections();
  void start(tcp::socket socket);
  void run_io();
  void close_all();
  bool wait_for(std::chrono::milliseconds limit, const std::function<bool()>& condition) const;

  App app;
  asio::io_context io;
  tcp::acceptor acceptor;
  int port = 0;
  std::mutex mutex;  // guards the sessions and `closed`
  std::vector<std::weak_ptr<Session>> sessions;
  bool closed = false;
  std::atomic<int> connections = 0;
  std::atomic<bool> running = false;
};

asio::awaitable<void> Server::Impl::accept_connections() {
  asio::steady_timer pause(acceptor.get_executor());
  while (acceptor.is_open()) {
    tcp::socket socket(asio::make_strand(io));
    error_code error;
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      start(std::move(socket));
    } else if (error != asio::error::operation_aborted) {
      app.log->warn("cannot accept a connection: {}", error.message());
      pause.expires_after(100ms);  // out of file descriptors, perhaps: not a busy loop
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

void Server::Impl::start(tcp::socket socket) {
  const auto executor = socket.get_executor();
  const auto session = std::make_shared<Session>(app, std::move(socket));
  const bool refused = connections++ >= app.config.max_connections;
  {
    std::lock_guard lock(mutex);
    if (sessions.size() >= 2 * static_cast<std::size_t>(connections) + 16) {
      std::erase_if(sessions, [](const auto& weak) { return weak.expired(); });
    }
    sessions.push_back(session);
    if (closed) session->close();
  }
  asio::co_spawn(
      executor, [session, refused] { return session->run(refused); },
      [this](std::exception_ptr error) {
        --connections;
        try {
          if (error) std::rethrow_exception(error);
        } catch (const std::exception& exception) {
          app.log->error("a connection ended with an exception: {}", exception.what());
        }
      });
}

void Server::Impl::run_io() {
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& exception) {
      app.log->error("an exception reached the network loop: {}", exception.what());
    }
  }
}

void Server::Impl::close_all() {
  std::lock_guard lock(mutex);
  closed = true;
  asio::post(acceptor.get_executor(), [this] {
    error_code ignored;
    acceptor.close(ignored);
  });
  for (const auto& weak : sessions) {
    if (const auto session = weak.lock()) session->close();
  }
}

bool Server::Impl::wait_for(std::chrono::milliseconds limit, const std::function<bool()>& condition) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

Server::Server(ServerConfig config, Log log) {
  if (!log) fail_invalid("a server needs a log");
  impl_ = std::make_unique<Impl>(std::move(config), std::move(log));
}

Server::~Server() {
  impl_->app.workers.join();  // their jobs refer to coroutines, which go with the network loop
  if (const auto serving = impl_->app.serving()) serving->engine().set_observer(nullptr);
}

int Server::port() const { return impl_->port; }

void Server::set_ready(ServingContext context) { impl_->app.set_serving(std::move(context)); }

void Server::run() {
  impl_->running = true;
  asio::co_spawn(
      impl_->acceptor.get_executor(), [this] { return impl_->accept_connections(); }, asio::detached);
  std::vector<std::thread> threads;
  for (int i = 1; i < kIoThreads; ++i) threads.emplace_back([this] { impl_->run_io(); });
  impl_->run_io();
  for (std::thread& thread : threads) thread.join();
  impl_->running = false;
}

void Server::stop(double drain_seconds) {
  impl_->app.stopping = true;
  if (const auto serving = impl_->app.serving()) serving->engine().drain(drain_seconds);
  impl_->wait_for(kFlushTime, [this] { return impl_->app.busy() == 0; });
  impl_->close_all();
  const bool ended = impl_->wait_for(kEndTime, [this] { return !impl_->running; });
  if (!ended) impl_->io.stop();
}

}  // namespace cairn
