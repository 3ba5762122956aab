// What `signalbox` says to whoever started it, whichever command it was.
//
// Thread: any; no state. Tested by tests/broker/program_test.cpp, tests/program.
#pragma once

namespace signalbox {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_bad_input = 2;  // configuration or arguments

}  // namespace signalbox
