// What a run has measured: the median of each row, and the table that people read.
//
// It takes the place of Google Benchmark's own table, which has five lines for each row; its JSON has them all.
// Thread: one. Owns: the figures. Errors: failed() says whether a row ended in one; each is printed as it comes.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace signalbox::bench {

struct Figure {
  double nanoseconds = 0;   // for one message
  double variation = -1;    // standard deviation over mean, of the repetitions; below 0: one measurement
  double bytes = 0;         // of one message; 0: it is not about bytes
  double allocations = -1;  // for one message; below 0: not counted
  std::string floor;        // the row that is its floor
};

// Where memory was weighed, not time measured.
struct Weight {
  double used = 0;
  double budget = 0;
};

class Figures final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;

  bool failed() const { return failed_; }
  const std::map<std::string, Figure>& all() const { return figures_; }
  const std::map<std::string, Weight>& weights() const { return weights_; }
  // Time for one message; 0 where it was not measured.
  double nanoseconds(const std::string& name) const;
  // What msgpack::unpack takes for a message of the same bytes, or of 424 where it is not about bytes; 0: not measured.
  double unpack_of(const std::string& name, const Figure& figure) const;

  void print() const;

 private:
  bool failed_ = false;
  std::map<std::string, Figure> figures_;
  std::map<std::string, Weight> weights_;
};

}  // namespace signalbox::bench
