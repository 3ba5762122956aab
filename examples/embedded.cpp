// A broker in a program: configured in code, with a router of the program's own, on a thread of its own, and with
// workers over inproc, which need no port and no file.
//
// Three users write to two short codes; each code belongs to an application. Prints what passes, and ends by itself:
// with exit code 0 once all are answered, 1 where that takes more than ten seconds.
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <unordered_map>
#include <zmq.hpp>

#include "broker/broker.hpp"
#include "broker/setting_builder.hpp"
#include "worker/worker.hpp"

using namespace signalbox;

namespace {

// Inbound messages go by the short code that they were sent to; answers and events go back where they belong.
class ShortCodeRouter final : public Router {
 public:
  explicit ShortCodeRouter(RouterSetup& setup) {
    const Setting* codes = setup.require("short_codes");
    if (codes == nullptr) return;
    for (const Setting& code : codes->items) {
      if (const auto application = setup.application(code.text)) {
        applications_.emplace(code.key, *application);
      } else {
        setup.unknown_name(code.position, "no application " + in_quotes(code.text), code.text, setup.applications());
      }
    }
  }

  void inbound(const Incoming& incoming, Decision& decision) override {
    const auto found = applications_.find(std::string(incoming.message.text(Field::to_addr)));
    if (found != applications_.end()) return decision.deliver(found->second);
    decision.refuse(RefusalCode::no_route, "nobody has this short code");
  }
  void event(const Incoming& incoming, Decision& decision) override { follow(incoming, decision); }
  void outbound(const Incoming& incoming, Decision& decision) override { follow(incoming, decision); }

  std::vector<Route> routes() const override {
    return {{"inbound", "any", "by to_addr", "as short_codes says", ""},
            {"reply", "any", "", "where the original came from", ""}};
  }

 private:
  static void follow(const Incoming& incoming, Decision& decision) {
    if (incoming.followed) return decision.deliver(incoming.followed->source);
    decision.refuse(RefusalCode::no_route, "it refers to nothing that is remembered");
  }

  std::unordered_map<std::string, EndpointId> applications_;  // by short code
};

RouterClass short_code_router() {
  return {
      .name = "ShortCodeRouter",
      .make = [](RouterSetup& setup) -> std::unique_ptr<Router> { return std::make_unique<ShortCodeRouter>(setup); },
      .keys = {"short_codes"},
      .list_names = nullptr};
}

Configuration configuration() {
  RouterRegistry registry;
  registry.add(short_code_router());
  return accepted(read_configuration(table({{"router_class", "ShortCodeRouter"},
                                            {"transport_names", list({"sms"})},
                                            {"exposed_names", list({"weather", "lottery"})},
                                            {"short_codes", table({{"8001", "weather"}, {"8002", "lottery"}})},
                                            {"broker", table({{"endpoint", "inproc://bus"}})}}),
                                     registry));
}

// An application over inproc, worked by whoever calls run().
class Answering {
 public:
  Answering(zmq::context_t& context, const std::string& name, const std::string& answer)
      : worker_(options(context, Role::application, name)) {
    worker_.on_message([this, answer](const Delivery& delivery) {
      const Message message(delivery.bytes);
      if (message.is_user_message()) worker_.send(message.reply(answer));
    });
  }
  void run() { worker_.run(); }
  void stop() { worker_.stop(); }

  static WorkerOptions options(zmq::context_t& context, Role role, const std::string& name) {
    WorkerOptions options;
    options.role = role;
    options.name = name;
    options.endpoint = "inproc://bus";
    options.zeromq_context = context.handle();
    return options;
  }

 private:
  Worker worker_;
};

// The users of the SMS network, and what they are told.
bool all_answered(zmq::context_t& context) {
  Worker sms(Answering::options(context, Role::transport, "sms"));
  int expected = 0;
  const auto say = [&](const char* user, const char* short_code, const char* content) {
    Message message = Message::user_message();
    message.set_from_addr(user).set_to_addr(short_code).set_content(content);
    sms.send(message);
    ++expected;
  };
  sms.on_message([&](const Delivery& delivery) {
    const Message message(delivery.bytes);
    std::printf("%s is told: %s\n", std::string(message.to_addr()).c_str(), std::string(message.content()).c_str());
    if (--expected == 0) sms.stop();
  });
  sms.on_refused([&](const Refusal& refusal) {
    std::printf("refused: %s\n", std::string(refusal.text).c_str());
    if (--expected == 0) sms.stop();
  });
  say("+27831111111", "8001", "Cape Town");
  say("+27832222222", "8002", "7 13 21");
  say("+27833333333", "9999", "anybody?");
  sms.run_for(std::chrono::seconds(10));
  return expected == 0 && sms.close(std::chrono::seconds(5));
}

}  // namespace

int main() {
  zmq::context_t context;  // shared by broker and workers: inproc reaches no further
  Broker broker(configuration(), context.handle());
  broker.start();

  Answering weather(context, "weather", "Sunny, 24 degrees");
  Answering lottery(context, "lottery", "Not this time");
  std::thread weather_thread([&] { weather.run(); });
  std::thread lottery_thread([&] { lottery.run(); });

  const bool answered = all_answered(context);

  weather.stop();
  lottery.stop();
  weather_thread.join();
  lottery_thread.join();
  const Ending ending = broker.stop();  // works off what is queued first
  std::printf("left behind: %llu\n", static_cast<unsigned long long>(ending.messages()));
  return answered && ending.messages() == 0 ? 0 : 1;
}
