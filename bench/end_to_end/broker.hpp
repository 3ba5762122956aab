// The broker of a run: the program itself as a process, with a configuration file and a log of its own, which go with
// it.
//
// Thread: one. Errors: exceptions.
#pragma once

#include <memory>
#include <string>

#include "bench/end_to_end/process.hpp"

namespace signalbox::bench {

class BrokerProcess {
 public:
  BrokerProcess(const std::string& program, const std::string& configuration);
  ~BrokerProcess();
  BrokerProcess(const BrokerProcess&) = delete;
  BrokerProcess& operator=(const BrokerProcess&) = delete;

  const Process& process() const { return *process_; }
  std::string log() const;
  // Ends it in order; a broker that leaves messages behind says so by its exit code, and that is an error.
  void end();

 private:
  std::string path(const char* extension) const { return stem_ + extension; }

  const std::string stem_;
  std::unique_ptr<Process> process_;
};

}  // namespace signalbox::bench
