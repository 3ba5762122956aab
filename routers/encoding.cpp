#include "routers/encoding.hpp"

#include <msgpack.hpp>

namespace signalbox {

namespace {

// What msgpack-c's packer writes to.
class EndOfText {
 public:
  explicit EndOfText(std::string& out) : out_(out) {}
  void write(const char* bytes, size_t count) { out_.append(bytes, count); }

 private:
  std::string& out_;
};

}  // namespace

void append_boolean(std::string& out, bool truth) {
  EndOfText end(out);
  msgpack::packer<EndOfText>(end).pack(truth);
}

void append_integer(std::string& out, int64_t number) {
  EndOfText end(out);
  msgpack::packer<EndOfText>(end).pack_int64(number);
}

void append_real(std::string& out, double number) {
  EndOfText end(out);
  msgpack::packer<EndOfText>(end).pack_double(number);
}

void append_array_head(std::string& out, uint32_t items) {
  EndOfText end(out);
  msgpack::packer<EndOfText>(end).pack_array(items);
}

void append_map_head(std::string& out, uint32_t entries) {
  EndOfText end(out);
  msgpack::packer<EndOfText>(end).pack_map(entries);
}

}  // namespace signalbox
