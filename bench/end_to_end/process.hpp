// What the end-to-end bench needs of the machine: child processes that it talks with in lines, CPU time, and a stamp
// that says what was measured on.
//
// Thread: one. Errors: a child that does not answer within its deadline, or ends before its time, is an exception with
// what was expected of it; start-up code, nothing of it is on a measured path.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace signalbox::bench {

// A child process with pipes to its stdin and stdout; killed when this is destroyed. Its stderr is ours, or a file.
class Process {
 public:
  // Starts `arguments[0]` with the rest. `log`: where its stderr goes, empty: to ours.
  explicit Process(std::vector<std::string> arguments, const std::string& log = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Waits for a line that begins with `word` and returns it whole; other lines are passed over.
  std::string wait_for(const std::string& word, int deadline_ms);
  void write_line(const std::string& line);
  // CPU seconds of all its threads so far.
  double cpu_seconds() const;
  // Bytes of memory that it holds now; 0 where that cannot be told.
  double resident_bytes() const;
  void signal(int number);
  // Waits for its end; its exit code, or 128 + the signal that ended it. Kills it past the deadline.
  int wait(int deadline_ms);

 private:
  const std::string name_;
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  std::string unread_;
};

// CPU time of the whole machine, in seconds over all cores.
struct MachineTime {
  double busy = 0;   // not idle, not stolen
  double steal = 0;  // what the hypervisor gave to others
};
MachineTime machine_time();

uint64_t monotonic_ns();

// "2 x AMD EPYC, Linux 6.1, libzmq 4.3.4, gcc 12.2, Release, 1a2b3c4"; the last, the commit, where the environment
// names it in SIGNALBOX_COMMIT.
std::string machine_stamp();

// A TCP port on loopback that nobody uses at the moment.
uint16_t free_port();

// The value behind "key=" in a line of words; 0 where there is none.
double value_in(const std::string& line, const std::string& key);

}  // namespace signalbox::bench
