// Sets a flag for as long as a caller's function runs, and lets what that throws pass.
#pragma once

namespace signalbox {

// Thread: one. Owns: nothing. Errors: none. Tested by worker_test.cpp.
class Within {
 public:
  explicit Within(bool& flag) : flag_(flag) { flag_ = true; }
  ~Within() { flag_ = false; }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  bool& flag_;
};

}  // namespace signalbox
