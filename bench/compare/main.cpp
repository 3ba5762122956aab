// One process of the side-by-side run: a producer, a consumer, or one of the three forwarders that are no broker.
// bench/compare/compare.py starts it.
//
//   bench_compare_client producer|consumer PEER --port N --count N …
//   bench_compare_client broker zmq_proxy|forwarder|relay --port N --consumer-port N
//   bench_compare_client peers              the names of the clients that this build has
//
// Exit codes: 0 done, 1 the run failed, 2 bad arguments.
#include <malloc.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "bench/compare/peer.hpp"

namespace {

using namespace signalbox::bench;

const Peer* find_peer(const std::string& name) {
  const auto found = std::find_if(peers().begin(), peers().end(), [&](const Peer& peer) { return name == peer.name; });
  return found == peers().end() ? nullptr : &*found;
}

void add_options(CLI::App& command, PeerOptions& options) {
  command.add_option("peer", options.peer)->required()->check([](const std::string& name) {
    return find_peer(name) != nullptr ? std::string() : "this build has no client for " + name;
  });
  command.add_option("--port", options.port)->required();
  command.add_option("--consumer-port", options.consumer_port);
  command.add_option("--size", options.message_bytes);
  command.add_option("--warm-up", options.warm_up);
  command.add_option("--count", options.count);
  command.add_option("--rate", options.rate);
  command.add_option("--window", options.window);
  command.add_option("--prefetch", options.prefetch);
  command.add_option("--acknowledge-each", options.acknowledge_each)->check(CLI::PositiveNumber);
  command.add_flag("--durable", options.durable);
  command.add_flag("--file", options.file);
}

}  // namespace

int main(int count, char** arguments) {
  // Messages come and go all the time: keep their pages instead of asking the kernel anew each time.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 4 << 20);
  signal(SIGPIPE, SIG_IGN);  // a broker that closes a connection is an error of the call, with words

  CLI::App app("One process of the side-by-side run");
  app.require_subcommand(1);
  PeerOptions options;
  auto* const producer = app.add_subcommand("producer", "sends");
  auto* const consumer = app.add_subcommand("consumer", "receives");
  auto* const broker = app.add_subcommand("broker", "forwards");
  auto* const list = app.add_subcommand("peers", "names the clients of this build");
  for (CLI::App* command : {producer, consumer, broker}) add_options(*command, options);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (*list) {
    for (const Peer& peer : peers()) std::printf("%s\n", peer.name);
    return 0;
  }
  try {
    const Peer& peer = *find_peer(options.peer);
    if (*producer) return run_peer_producer(peer, options);
    if (*consumer) return run_peer_consumer(peer, options);
    if (peer.broker == nullptr) throw std::runtime_error("that is a program of its own");
    return peer.broker(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_compare_client %s: %s\n", options.peer.c_str(), error.what());
    return 1;
  }
}
