// A fixed amount of work for each case, whose instructions are counted by valgrind: one message takes as many of them
// on a busy machine as on a quiet one, where a time would wander by a tenth. So a change that costs three in a hundred
// shows, in a test, on any machine (bench/guard/counted.py).
//
//   bench_counted --build     what it was built by and for: figures of two builds do not compare
//   bench_counted --list      the cases, one a line
//   bench_counted CASE        does the case's work, and prints how many messages were in what is counted
//
// Counted is what happens within signalbox_counted_part: what a case needs before, and the check behind it, is not. An
// instruction is no nanosecond: what waits for memory counts as much as what does not. Times are bench_micro's part.
//
// Tested by bench/guard/test_guard.py.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include "bench/core_harness.hpp"
#include "bench/messages.hpp"
#include "bench/micro/traffic.hpp"
#include "protocol/message_scanner.hpp"
#include "protocol/message_view.hpp"
#include "worker/message.hpp"

#if defined(__clang__)
#define SIGNALBOX_COMPILER "clang " + std::to_string(__clang_major__)
#else
#define SIGNALBOX_COMPILER "gcc " + std::to_string(__GNUC__)
#endif

// Callgrind is told to collect within the function of this name. What stands behind the call keeps it a call.
extern "C" [[gnu::noinline]] void signalbox_counted_part(void (*work)(const void*), const void* context) {
  work(context);
  asm volatile("" ::: "memory");
}

namespace signalbox::bench {
namespace {

template <typename Work>
void counted(const Work& work) {
  signalbox_counted_part([](const void* context) { (*static_cast<const Work*>(context))(); }, &work);
}

// The value is made, whatever the compiler thinks of its use.
template <typename Value>
void keep(const Value& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

constexpr size_t batch_messages = 150;

constexpr uint64_t passes = 60;

// Every message of a batch, over and over, by `scan(bytes, view)`.
template <typename Scanning>
uint64_t view(const std::string& batch, Scanning scan) {
  MessageView message;
  bool is_sound = true;
  const auto pass = [&] {
    for (Bytes rest = batch; !rest.empty() && is_sound; rest.remove_prefix(message.bytes().size())) {
      is_sound = scan(rest, message) == Scan::ok;
      keep(message);
    }
  };
  pass();
  counted([&] {
    for (uint64_t i = 0; i < passes; ++i) pass();
  });
  if (!is_sound) throw std::runtime_error("a message is not well-formed");
  return passes * batch_messages;
}

// As the core does it.
uint64_t scanned(const std::string& batch) {
  MessageScanner scanner;
  return view(batch, [&](Bytes bytes, MessageView& message) { return scanner.scan(bytes, message); });
}

uint64_t plainly_scanned(const std::string& batch) {
  return view(batch, [](Bytes bytes, MessageView& message) { return message.scan(bytes); });
}

std::string batch_of(size_t message_bytes) {
  std::string batch;
  write_batch(batch, message_of(message_bytes), 1, batch_messages);
  return batch;
}

// The routing memory is small, and full before it counts, as one of any size is in the long run.
uint64_t core(CoreShape shape, size_t batch, uint64_t messages) {
  shape.routing_memory_bytes = 64 << 10;
  CoreHarness core(shape);
  const auto turns = [&](uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      core.send(0, batch);
      core.flush();
    }
  };
  turns(9000 / batch);
  const uint64_t before = core.messages();
  counted([&] { turns(messages / batch); });
  const uint64_t counted_messages = core.messages() - before;
  core.settle();
  if (!core.flawless()) throw std::runtime_error("the core lost, refused or repeated a message");
  return counted_messages;
}

constexpr uint64_t worker_messages = 3000;

// As a gateway makes one: 21 fields, with an id and a time of its own.
uint64_t worker_build() {
  const auto make = [] {
    signalbox::Message message = signalbox::Message::user_message();
    message.set_session_event("new").set_transport_type("sms").set_transport_name(transport_name);
    message.set_to_addr("+27831234567").set_from_addr("+27821112223").set_content("How much airtime?!");
    message.set_text("to_addr_type", "msisdn").set_text("from_addr_type", "msisdn");
    message.set_nil("expires_at").set_nil("priority").set_value("__cache__", "\x80");
    return message;
  };
  if (make().bytes().size() != vumi_message_bytes) throw std::runtime_error("not 424 bytes");
  counted([&] {
    for (uint64_t i = 0; i < worker_messages; ++i) keep(make().bytes());
  });
  return worker_messages;
}

// As a handler reads one: into a Message that is used again, and six fields of it.
uint64_t worker_read() {
  constexpr std::array<std::string_view, 6> fields = {"message_type", "message_id",    "to_addr",
                                                      "from_addr",    "session_event", "content"};
  const std::string bytes = vumi_message().bytes;
  signalbox::Message message;
  bool is_sound = message.decode(bytes);
  counted([&] {
    for (uint64_t i = 0; i < worker_messages; ++i) {
      is_sound = message.decode(bytes) && is_sound;
      for (const std::string_view field : fields) keep(message.text(field));
    }
  });
  if (!is_sound) throw std::runtime_error("no message");
  return worker_messages;
}

struct Case {
  const char* name;
  uint64_t (*run)();
};

constexpr Case cases[] = {
    {"view/424", [] { return scanned(batch_of(vumi_message_bytes)); }},
    {"view/73", [] { return scanned(batch_of(small_message_bytes)); }},
    {"view/traffic", [] { return scanned(Traffic(Traffic::Kind::usual).batch(batch_messages)); }},
    {"view/unlike", [] { return scanned(Traffic(Traffic::Kind::unlike).batch(batch_messages)); }},
    {"plain_view/424", [] { return plainly_scanned(batch_of(vumi_message_bytes)); }},
    {"core/424/150", [] { return core({}, 150, 9000); }},
    {"core/424/1", [] { return core({}, 1, 3000); }},
    {"core/73/150", [] { return core({.message_bytes = small_message_bytes}, 150, 9000); }},
    {"core/fan_out/3", [] { return core({.fan_out = 3}, 150, 9000); }},
    {"core/chain/2", [] { return core({.dispatchers = 2}, 150, 9000); }},
    {"worker_build", worker_build},
    {"worker_read", worker_read},
};

int run(std::string_view wanted) {
  if (wanted == "--build") {
#if defined(__x86_64__) && defined(__OPTIMIZE__) && defined(NDEBUG)
    // Without AVX2 stencils take more instructions, of narrower vectors.
    const char* const vectors = __builtin_cpu_supports("avx2") != 0 ? " with AVX2" : "";
    std::puts((SIGNALBOX_COMPILER + ", x86-64" + vectors + ", release").c_str());
#else
    std::puts((SIGNALBOX_COMPILER + ", another machine or no release").c_str());
#endif
    return EXIT_SUCCESS;
  }
  for (const Case& each : cases) {
    if (wanted == "--list") std::puts(each.name);
    if (wanted != each.name) continue;
    std::printf("%llu\n", static_cast<unsigned long long>(each.run()));
    return EXIT_SUCCESS;
  }
  return wanted == "--list" ? EXIT_SUCCESS : 2;
}

}  // namespace
}  // namespace signalbox::bench

int main(int count, char** arguments) {
  try {
    return count == 2 ? signalbox::bench::run(arguments[1]) : 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_counted: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
