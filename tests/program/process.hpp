// A program as a shell runs it: its three descriptors, its signals and its exit code.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/broker/harness.hpp"

namespace signalbox::test {

// Where a program's input comes from.
struct Input {
  std::string path;  // of a file; empty: a pipe that the test writes to
};

inline Input null_device() {
  return {"/dev/null"};
}

inline Input file_of(const std::string& text) {
  const std::string path = unique_path(".input");
  std::ofstream(path) << text;
  return {path};
}

// Thread: one. Ended at the latest with the object.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments, const Input& input = {}) {
    int in[2];
    int out[2];
    int err[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
      throw std::runtime_error("no pipe");
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    child_ = fork();
    if (child_ == 0) {
      dup2(input.path.empty() ? in[0] : open(input.path.c_str(), O_RDONLY | O_CLOEXEC), STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    for (const int fd : {in[0], out[1], err[1]}) close(fd);
    input_ = in[1];
    output_.fd = out[0];
    errors_.fd = err[0];
  }
  ~Process() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    end_input();
    end_output();
    if (errors_.fd >= 0) close(errors_.fd);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const { ::kill(child_, number); }

  // As much as a pipe holds.
  void type(const std::string& text) const {
    if (::write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      throw std::runtime_error("the program does not read");
  }
  void end_input() {
    if (input_ >= 0) close(std::exchange(input_, -1));
  }
  void end_output() {
    if (output_.fd >= 0) close(std::exchange(output_.fd, -1));
  }

  // Reads until `text` was written to stdout, or to stderr. False: the program has ended, or the deadline has passed,
  // without it.
  bool prints(const std::string& text) { return waits_for(output_, text); }
  bool says(const std::string& text) { return waits_for(errors_, text); }

  // Reads to the end and returns the exit code; -1: a signal ended it, or it did not end in time.
  int exit_code(std::chrono::milliseconds longest = patience) {
    const auto deadline = Clock::now() + longest;
    while (read_more(deadline)) continue;
    if (output_.fd >= 0 || errors_.fd >= 0) return -1;
    int status = 0;
    waitpid(std::exchange(child_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // The same without reading what it prints; read_rest() does that.
  int exit_code_unread() {
    int status = 0;
    waitpid(std::exchange(child_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void read_rest() {
    while (read_more(Clock::now() + patience)) continue;
  }
  // How far it has read in the file that is its input.
  size_t input_position() const {
    std::ifstream file("/proc/" + std::to_string(child_) + "/fdinfo/0");
    std::string key;
    size_t position = 0;
    file >> key >> position;
    if (key != "pos:") throw std::runtime_error("no position");
    return position;
  }

  bool has_ended() const { return child_ < 0; }  // and was told so by exit_code()

  // What it has written so far.
  const std::string& output() const { return output_.text; }
  const std::string& errors() const { return errors_.text; }

 private:
  struct Stream {
    int fd = -1;
    std::string text;
  };

  bool waits_for(const Stream& stream, const std::string& text) {
    const auto deadline = Clock::now() + patience;
    while (stream.text.find(text) == std::string::npos)
      if (!read_more(deadline)) return false;
    return true;
  }

  // False: both streams have ended, or the deadline has passed.
  bool read_more(Clock::time_point deadline) {
    pollfd items[2] = {{output_.fd, POLLIN, 0}, {errors_.fd, POLLIN, 0}};
    if ((output_.fd < 0 && errors_.fd < 0) || poll(items, 2, milliseconds_until(deadline)) <= 0) return false;
    if (items[0].revents != 0) read_from(output_);
    if (items[1].revents != 0) read_from(errors_);
    return true;
  }

  static void read_from(Stream& stream) {
    char buffer[65536];
    const ssize_t got = read(stream.fd, buffer, sizeof buffer);
    if (got > 0) {
      stream.text.append(buffer, static_cast<size_t>(got));
    } else {
      close(std::exchange(stream.fd, -1));
    }
  }

  pid_t child_ = -1;
  int input_ = -1;
  Stream output_;
  Stream errors_;
};

// `signalbox serve` with this configuration, on a port of its own.
class ServingProgram {
 public:
  ServingProgram(const std::string& signalbox, const std::string& configuration)
      : process_({signalbox, "serve", file_of(configuration).path}, null_device()) {
    if (!process_.says("info listening") || !process_.says(" configuration="))
      throw std::runtime_error("no broker: " + process_.errors());
    const std::string& log = process_.errors();
    const size_t begin = log.find(" endpoints=") + 11;
    endpoint_ = log.substr(begin, log.find(' ', begin) - begin);
  }

  const std::string& endpoint() const { return endpoint_; }
  Process& process() { return process_; }

 private:
  Process process_;
  std::string endpoint_;
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace signalbox::test
