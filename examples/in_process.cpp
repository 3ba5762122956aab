// A transport and an application as two handlers in one program: no socket, no thread, no port. The program works the
// broker in its own loop.
//
// Prints what passes, and ends by itself: with exit code 0 once every user is answered.
#include <cstdio>
#include <string>
#include <string_view>

#include "broker/broker.hpp"
#include "broker/clock.hpp"
#include "broker/local_endpoint.hpp"
#include "broker/setting_builder.hpp"
#include "worker/message.hpp"

using namespace signalbox;

namespace {

Configuration configuration() {
  Configuration built = accepted(read_configuration(table({{"router_class", "SimpleDispatchRouter"},
                                                           {"transport_names", list({"sms"})},
                                                           {"exposed_names", list({"greeter"})},
                                                           {"routing_mappings", table({{"sms", "greeter"}})}}),
                                                    RouterRegistry()));
  built.endpoints.clear();  // nobody comes from outside: bind nothing
  return built;
}

void print(const char* who, std::string_view what) {
  std::printf("%-8s %.*s\n", who, static_cast<int>(what.size()), what.data());
}

}  // namespace

int main() {
  Broker broker(configuration());
  LocalEndpoint sms(broker, {.role = Role::transport, .name = "sms"});
  LocalEndpoint greeter(broker, {.role = Role::application, .name = "greeter"});

  greeter.on_message([&](const Delivery& delivery) {
    const Message message(delivery.bytes);
    print("greeter", "gets " + in_quotes(message.content()));
    if (message.content().empty()) throw Reject("says nothing");  // becomes a dead letter
    greeter.send(message.reply("Hello, " + std::string(message.content())).bytes());
  });

  int answers = 0;
  Seq confirmed = 0;
  sms.on_message([&](const Delivery& delivery) {
    print("sms", "delivers " + in_quotes(Message(delivery.bytes).content()));
    ++answers;
  });
  sms.on_confirmed([&](Seq upto) { confirmed = upto; });
  greeter.on_handler_failed([](const HandlerFailure& failure) { print("greeter", failure.reason); });

  for (const char* name : {"Thandi", "Pieter", "", "Amina"}) {
    Message message = Message::user_message();
    message.set_from_addr("+27831234567").set_to_addr("8001").set_content(name);
    if (!sms.send(message.bytes())) print("sms", "has to wait: so many are unconfirmed");
  }
  while (broker.do_work(read_clock()) > 0) continue;

  const Ending ending = broker.close();
  for (const Ending::Left& left : ending.left) print(left.endpoint.c_str(), std::to_string(left.messages) + " left");
  return answers == 3 && confirmed == 4 && ending.messages() == 0 ? 0 : 1;
}
