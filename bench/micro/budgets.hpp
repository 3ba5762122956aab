// The budgets of docs/performance.md that can be judged without a socket, each as a ratio to something measured in the
// same run: met, or not met. One whose parts were not measured is left out.
#pragma once

#include "bench/micro/figures.hpp"

namespace signalbox::bench {

void print_budgets(const Figures& figures);

}  // namespace signalbox::bench
