// A transport that says hello to the bus at the address given, and prints the reply.

#include <chrono>
#include <iostream>
#include <optional>
#include <string>

#include "worker/worker.hpp"

int main(int, char** arguments) {
  signalbox::WorkerOptions options;
  options.role = signalbox::Role::transport;
  options.name = "smpp_transport";
  options.endpoint = arguments[1];
  signalbox::Worker worker(options);

  signalbox::Message hello = signalbox::Message::user_message();
  hello.set_transport_name("smpp_transport");
  hello.set_content("hello");
  worker.send(hello);
  const std::optional<signalbox::Delivery> reply = worker.receive(std::chrono::seconds(30));
  if (!reply) {
    std::cerr << "no reply: " << worker.fault() << std::endl;
    return 1;
  }
  std::cout << signalbox::Message(reply->bytes).content() << std::endl;
  return worker.close(std::chrono::seconds(30)) ? 0 : 1;
}
