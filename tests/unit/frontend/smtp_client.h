// A blocking SMTP client for tests, with a time limit on everything.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <string>
#include <string_view>

namespace fermo::frontend {

class SmtpClient {
 public:
  explicit SmtpClient(uint16_t port) : socket_(io_) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), port});
    const timeval limit{10, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  }

  bool Send(std::string_view octets) {
    boost::system::error_code error;
    boost::asio::write(socket_, boost::asio::buffer(octets.data(), octets.size()), error);
    return !error;
  }

  // The next line without CRLF; "<closed>" at the end of the connection.
  std::string Line() {
    while (true) {
      const size_t end = unread_.find("\r\n");
      if (end != std::string::npos) {
        std::string line = unread_.substr(0, end);
        unread_.erase(0, end + 2);
        return line;
      }
      char buffer[4096];
      const ssize_t n = ::recv(socket_.native_handle(), buffer, sizeof(buffer), 0);
      if (n < 0) return errno == ECONNRESET ? "<reset>" : "<nothing>";
      if (n == 0) return "<closed>";
      unread_.append(buffer, static_cast<size_t>(n));
    }
  }

  // The code of the next reply, its lines read to the end.
  std::string Code() {
    std::string line = Line();
    while (line.size() > 3 && line[3] == '-') line = Line();
    return line.substr(0, 3);
  }

  // Sends a line and gives the last line of its reply.
  std::string Say(std::string_view command) {
    if (!Send(std::string(command) + "\r\n")) return "<closed>";
    std::string line = Line();
    while (line.size() > 3 && line[3] == '-') line = Line();
    return line;
  }

  // Up to the 354 of a message for anna@example.test.
  void BeginMessage() {
    EXPECT_EQ(Code(), "220");
    EXPECT_EQ(Say("EHLO client.test").substr(0, 3), "250");
    EXPECT_EQ(Say("MAIL FROM:<a@b.test>"), "250 2.1.0 Ok");
    EXPECT_EQ(Say("RCPT TO:<anna@example.test>"), "250 2.1.5 Ok");
    EXPECT_EQ(Say("DATA").substr(0, 3), "354");
  }

  void Close() { socket_.close(); }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  std::string unread_;
};

}  // namespace fermo::frontend
