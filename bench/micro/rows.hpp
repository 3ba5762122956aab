// The rows that depend on the machine, or on how much is asked for: main() registers them. Those that are always there
// register themselves.
//
// Thread: main's, before anything runs.
#pragma once

#include <string>
#include <vector>

namespace signalbox::bench {

// `threads_max`: the processors that there are.
void register_rings(int threads_max);

// Tables of 1 to 16 million entries, other maps beside those of 1 and 4; with `all` up to 64 million, and the other
// maps everywhere. Returns what was left out because the machine has too little memory for it, in words.
std::vector<std::string> register_routing_memory(bool all, int threads_max);

// Every combination of message size, batch, fan-out, endpoints and sessions, some 240; what was left out.
std::vector<std::string> register_core_matrix();

}  // namespace signalbox::bench
