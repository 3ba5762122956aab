// A shared library of some other program. Where any of its code runs, this one is gone.
#include <cstdlib>

namespace {

struct RunsWhenLoaded {
  RunsWhenLoaded() { std::abort(); }
};
const RunsWhenLoaded runs_when_loaded;

}  // namespace
