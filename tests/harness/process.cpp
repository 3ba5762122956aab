#include "tests/harness/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace signalbox::harness {

using Clock = std::chrono::steady_clock;

Process::Process(std::vector<std::string> arguments, const std::string& log) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // it was gone before
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  if (output >= 0) close(output);
  watch_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (watch_ < 0) throw std::system_error(errno, std::generic_category(), "pidfd_open");
}

Process::~Process() {
  if (!ending_) {
    signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(watch_);
}

void Process::signal(int number) const {
  if (!ending_) ::kill(pid_, number);
}

std::optional<int> Process::wait(Clock::time_point deadline) {
  if (ending_) return ending_;
  const Clock::time_point now = Clock::now();
  const auto left = deadline > now ? std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count() : 0;
  pollfd item{watch_, POLLIN, 0};
  if (poll(&item, 1, static_cast<int>(left)) <= 0) return {};
  int status = 0;
  waitpid(pid_, &status, 0);
  ending_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ending_;
}

}  // namespace signalbox::harness
