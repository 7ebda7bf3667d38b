#include "tests/unit/rpc/tcp_relay.h"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <set>
#include <thread>
#include <utility>

namespace fermo::rpc {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct Pair {
  explicit Pair(tcp::socket accepted)
      : client(std::move(accepted)), server(client.get_executor()) {}
  tcp::socket client;
  tcp::socket server;
  void Close() {
    boost::system::error_code ignored;
    client.close(ignored);
    server.close(ignored);
  }
};

}  // namespace

struct TcpRelay::Impl {
  asio::io_context io{1};
  tcp::endpoint target;
  tcp::endpoint bound;
  tcp::acceptor acceptor{io};
  std::set<std::shared_ptr<Pair>> pairs;
  bool refuse = false;
  bool frozen = false;
  asio::steady_timer thaw{io, asio::steady_timer::time_point::max()};  // cancelled when thawed
  std::thread thread;

  void Listen() {
    acceptor.open(tcp::v4());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(bound);
    acceptor.listen();
    bound = acceptor.local_endpoint();
    asio::co_spawn(io, Accept(), asio::detached);
  }

  asio::awaitable<void> Accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor.async_accept(kAwait);
      if (error) co_return;
      auto pair = std::make_shared<Pair>(std::move(socket));
      asio::co_spawn(io, Relay(pair), asio::detached);
    }
  }

  asio::awaitable<void> Relay(std::shared_ptr<Pair> pair) {
    pairs.insert(pair);
    auto [error] = co_await pair->server.async_connect(target, kAwait);
    if (error) {
      pair->Close();
      pairs.erase(pair);
      co_return;
    }
    asio::co_spawn(io, Pump(pair, &pair->client, &pair->server), asio::detached);
    asio::co_spawn(io, Pump(pair, &pair->server, &pair->client), asio::detached);
  }

  asio::awaitable<void> Pump(std::shared_ptr<Pair> pair, tcp::socket* from, tcp::socket* to) {
    std::array<char, 65536> buffer;
    for (;;) {
      auto [error, size] = co_await from->async_read_some(asio::buffer(buffer), kAwait);
      if (error) break;
      while (frozen) co_await thaw.async_wait(kAwait);
      auto [write_error, written] =
          co_await asio::async_write(*to, asio::buffer(buffer.data(), size), kAwait);
      if (write_error) break;
    }
    pair->Close();
    pairs.erase(pair);
  }

  void CutAll() {
    for (const auto& pair : pairs) pair->Close();
  }

  template <class Function>
  void Do(Function function) {
    std::promise<void> done;
    asio::post(io, [&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }
};

TcpRelay::TcpRelay(uint16_t target_port) : impl_(std::make_unique<Impl>()) {
  impl_->target = {asio::ip::address_v4::loopback(), target_port};
  impl_->bound = {asio::ip::address_v4::loopback(), 0};
  impl_->Listen();
  impl_->thread = std::thread([impl = impl_.get()] {
    auto work = asio::make_work_guard(impl->io);
    impl->io.run();
  });
}

TcpRelay::~TcpRelay() {
  impl_->io.stop();
  impl_->thread.join();
}

std::string TcpRelay::address() const { return "127.0.0.1:" + std::to_string(impl_->bound.port()); }

void TcpRelay::Cut() {
  impl_->Do([this] { impl_->CutAll(); });
}

void TcpRelay::Refuse(bool refuse) {
  impl_->Do([this, refuse] {
    if (std::exchange(impl_->refuse, refuse) == refuse) return;
    if (refuse) {
      impl_->acceptor.close();
      impl_->CutAll();
    } else {
      impl_->Listen();
    }
  });
}

void TcpRelay::Freeze(bool freeze) {
  impl_->Do([this, freeze] {
    impl_->frozen = freeze;
    if (!freeze) impl_->thaw.cancel();
  });
}

}  // namespace fermo::rpc
