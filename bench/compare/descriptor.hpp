// A file descriptor that is closed at the end of its scope. Thread: one.
#pragma once

#include <unistd.h>

namespace signalbox::bench {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

}  // namespace signalbox::bench
