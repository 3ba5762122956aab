#include "bench/end_to_end/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace signalbox::bench {
namespace {

double ticks_to_seconds(uint64_t ticks) {
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

uint64_t monotonic_ms() {
  return monotonic_ns() / 1'000'000;
}

int left_ms(uint64_t deadline_ms) {
  const uint64_t now = monotonic_ms();
  return now >= deadline_ms ? 0 : static_cast<int>(deadline_ms - now);
}

}  // namespace

Process::Process(std::vector<std::string> arguments, const std::string& log)
    : name_(arguments.at(arguments.size() > 1 ? 1 : 0)) {
  int to_child[2];
  int from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int log_file = log.empty() ? -1 : open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    dup2(to_child[0], STDIN_FILENO);
    dup2(from_child[1], STDOUT_FILENO);
    if (log_file >= 0) dup2(log_file, STDERR_FILENO);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  if (log_file >= 0) close(log_file);
  close(to_child[0]);
  close(from_child[1]);
  input_ = to_child[1];
  output_ = from_child[0];
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(input_);
  close(output_);
}

std::string Process::wait_for(const std::string& word, int deadline_ms) {
  const uint64_t deadline = monotonic_ms() + static_cast<uint64_t>(deadline_ms);
  for (;;) {
    for (size_t end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      const std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      if (line.starts_with(word)) return line;
    }
    pollfd readable{output_, POLLIN, 0};
    if (poll(&readable, 1, left_ms(deadline)) <= 0)
      throw std::runtime_error(name_ + " did not say " + word + " in time");
    char buffer[4096];
    const ssize_t count = read(output_, buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error(name_ + " ended before it said " + word);
    unread_.append(buffer, static_cast<size_t>(count));
  }
}

void Process::write_line(const std::string& line) {
  const std::string whole = line + "\n";
  if (write(input_, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size()))
    throw std::runtime_error(name_ + " does not listen");
}

double Process::cpu_seconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // The command stands in brackets and may hold anything; the fields count from behind it: utime is the 12th, stime the
  // 13th.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  return ticks_to_seconds(user + system);
}

double Process::resident_bytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  double pages = 0;
  double resident_pages = 0;
  file >> pages >> resident_pages;
  return resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void Process::signal(int number) {
  ::kill(pid_, number);
}

int Process::wait(int deadline_ms) {
  const uint64_t deadline = monotonic_ms() + static_cast<uint64_t>(deadline_ms);
  // Its stdout closes when it ends; what it still says is not read.
  char buffer[4096];
  for (;;) {
    pollfd readable{output_, POLLIN, 0};
    const int ready = poll(&readable, 1, left_ms(deadline));
    if (ready > 0 && read(output_, buffer, sizeof buffer) > 0) continue;
    if (ready <= 0) ::kill(pid_, SIGKILL);
    break;
  }
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

MachineTime machine_time() {
  std::ifstream file("/proc/stat");
  std::string cpu;
  uint64_t user = 0, nice = 0, system = 0, idle = 0, io_wait = 0, irq = 0, soft_irq = 0, steal = 0;
  file >> cpu >> user >> nice >> system >> idle >> io_wait >> irq >> soft_irq >> steal;
  return {ticks_to_seconds(user + nice + system + irq + soft_irq), ticks_to_seconds(steal)};
}

uint64_t monotonic_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

std::string machine_stamp() {
  std::string model = "unknown processor";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(line.find(':') + 2);
    break;
  }
  utsname system{};
  uname(&system);
  int major = 0, minor = 0, patch = 0;
  zmq_version(&major, &minor, &patch);
  std::ostringstream stamp;
  stamp << sysconf(_SC_NPROCESSORS_ONLN) << " x " << model << ", " << system.sysname << ' ' << system.release
        << ", libzmq " << major << '.' << minor << '.' << patch << ", "
#ifdef __clang__
        << "clang " << __clang_major__ << '.' << __clang_minor__
#else
        << "gcc " << __GNUC__ << '.' << __GNUC_MINOR__
#endif
        << ", " << SIGNALBOX_BUILD_TYPE
#ifndef NDEBUG
        << ", NOT A RELEASE BUILD"
#endif
      ;
  if (const char* const commit = std::getenv("SIGNALBOX_COMMIT"); commit != nullptr && *commit != 0)
    stamp << ", " << commit;
  return stamp.str();
}

uint16_t free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const bool bound = bind(descriptor, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                     getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  close(descriptor);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

double value_in(const std::string& line, const std::string& key) {
  const size_t at = line.find(" " + key + "=");
  return at == std::string::npos ? 0 : std::stod(line.substr(at + key.size() + 2));
}

}  // namespace signalbox::bench
