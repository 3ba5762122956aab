#include "bench/end_to_end/broker.hpp"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace signalbox::bench {
namespace {

constexpr int end_deadline_ms = 10'000;

}  // namespace

BrokerProcess::BrokerProcess(const std::string& program, const std::string& configuration)
    : stem_(std::filesystem::temp_directory_path() / ("signalbox-bench-" + std::to_string(getpid()))) {
  std::ofstream file(path(".toml"));
  file << configuration;
  if (!file.flush()) throw std::runtime_error("cannot write " + path(".toml"));
  process_ = std::make_unique<Process>(std::vector<std::string>{program, "serve", path(".toml")}, path(".log"));
}

BrokerProcess::~BrokerProcess() {
  std::error_code ignored;
  std::filesystem::remove(path(".toml"), ignored);
  std::filesystem::remove(path(".log"), ignored);
}

std::string BrokerProcess::log() const {
  std::ifstream file(path(".log"));
  return {std::istreambuf_iterator<char>(file), {}};
}

void BrokerProcess::end() {
  process_->signal(SIGTERM);
  if (process_->wait(end_deadline_ms) != 0) throw std::runtime_error("the broker did not end well");
}

}  // namespace signalbox::bench
