#include "tests/fuzz/scripted_link.hpp"

#include <cstring>
#include <new>
#include <utility>

namespace signalbox {
namespace {

// A Frame's bytes are a text of its own on the heap, so that the address sanitizer watches both its ends.
std::string*& text_at(unsigned char* storage) {
  return *std::launder(reinterpret_cast<std::string**>(storage));
}

}  // namespace

Frame::Frame() {
  new (storage_) std::string*(nullptr);
}

Frame::~Frame() {
  delete text_at(storage_);
}

Frame::Frame(Frame&& other) noexcept : Frame() {
  *this = std::move(other);
}

Frame& Frame::operator=(Frame&& other) noexcept {
  std::swap(text_at(storage_), text_at(other.storage_));
  return *this;
}

Bytes Frame::bytes() const {
  const std::string* const text = text_at(storage_);
  return text == nullptr ? Bytes() : Bytes(*text);
}

WorkerLink::WorkerLink(std::string endpoint, void* context, LinkKeys keys)
    : endpoint_(std::move(endpoint)), keys_(std::move(keys)), context_(context), owns_context_(false) {}

WorkerLink::~WorkerLink() = default;

bool WorkerLink::reopen() {
  fuzz::LinkScript& script = fuzz::link_script();
  if (script.no_sockets) return false;
  script.to_worker.clear();
  if (script.reopened) script.reopened();
  return true;
}

void WorkerLink::close() {}

bool WorkerLink::connection_lost() {
  return std::exchange(fuzz::link_script().lost, false);
}

WorkerLink::HandshakeFault WorkerLink::take_handshake_fault() {
  return std::exchange(fuzz::link_script().handshake_fault, {});
}

bool WorkerLink::send(Bytes header) {
  fuzz::LinkScript& script = fuzz::link_script();
  if (!script.blocked) script.sent(header, std::nullopt);
  return !script.blocked;
}

bool WorkerLink::send(Bytes header, Bytes body, const LendableBytes&) {
  fuzz::LinkScript& script = fuzz::link_script();
  if (!script.blocked) script.sent(header, body);
  return !script.blocked;
}

bool WorkerLink::receive(ReceivedFrames& frames) {
  fuzz::LinkScript& script = fuzz::link_script();
  if (script.to_worker.empty()) return false;
  fuzz::ScriptedFrames next = std::move(script.to_worker.front());
  script.to_worker.pop_front();
  script.received(next);
  frames = {};
  frames.count = next.count;
  text_at(frames.header.storage_) = new std::string(std::move(next.header));
  text_at(frames.body.storage_) = new std::string(std::move(next.body));
  return true;
}

bool WorkerLink::wait(int64_t, bool, int, std::span<const int>) {
  return false;
}

namespace fuzz {

LinkScript& link_script() {
  static LinkScript script;
  return script;
}

}  // namespace fuzz
}  // namespace signalbox
