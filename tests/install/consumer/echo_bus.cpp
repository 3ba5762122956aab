// A bus within a program, and an application that echoes what reaches it. Prints the address of the bus, and runs until
// its input ends.

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include "broker/broker.hpp"
#include "routers/registry.hpp"
#include "worker/worker.hpp"

constexpr const char* configuration_text = R"(
router_class    = "SimpleDispatchRouter"
transport_names = ["smpp_transport"]
exposed_names   = ["my_application"]
[routing_mappings]
smpp_transport = "my_application"
[broker]
endpoint = "tcp://127.0.0.1:*"
)";

int main() {
  const signalbox::RouterRegistry registry;
  signalbox::ConfigurationResult result = signalbox::read_configuration(configuration_text, registry);
  if (result.configuration == nullptr) return 2;
  signalbox::Broker broker(std::move(*result.configuration));
  signalbox::StopSignal stop_broker;
  std::thread bus([&] { broker.run(stop_broker); });

  signalbox::WorkerOptions options;
  options.role = signalbox::Role::application;
  options.name = "my_application";
  options.endpoint = broker.endpoints().front();
  signalbox::Worker application(options);
  application.on_message([&](const signalbox::Delivery& delivery) {
    const signalbox::Message message(delivery.bytes);
    if (message.is_user_message()) application.send(message.reply("You said: " + std::string(message.content())));
  });
  if (application.wait_registered(std::chrono::seconds(30))) std::cout << options.endpoint << std::endl;

  std::thread input([&] {
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    application.stop();
  });
  application.run();
  input.join();
  const bool closed = application.close(std::chrono::seconds(30));
  stop_broker.request();
  bus.join();
  return closed ? 0 : 1;
}
