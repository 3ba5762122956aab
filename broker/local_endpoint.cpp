#include "broker/local_endpoint.hpp"

#include <utility>

#include "broker/broker.hpp"
#include "broker/core/assert.hpp"
#include "broker/local_peers.hpp"

namespace signalbox {

LocalEndpoint::LocalEndpoint(Broker& broker, LocalEndpointOptions options)
    : peer_(broker.local_peers().add(std::move(options))) {}

LocalEndpoint::~LocalEndpoint() {
  LocalPeers* const peers = peer_->try_peers();
  if (peers != nullptr && peers->is_foreign_thread()) {
    peers->close_from_outside(*peer_);
  } else {
    peer_->close();
  }
}

// A mistake that would otherwise show as a message in a thousand gone astray.
void LocalEndpoint::check_thread() const {
  LocalPeers* const peers = peer_->try_peers();
  SIGNALBOX_ASSERT(peers == nullptr || !peers->is_foreign_thread(),
                   "an in-process endpoint belongs to the thread that works the broker: see Broker::post()");
}

void LocalEndpoint::on_message(std::function<void(const Delivery&)> handler) {
  check_thread();
  peer_->on_message(std::move(handler));
}

void LocalEndpoint::on_confirmed(std::function<void(Seq)> callback) {
  check_thread();
  peer_->on_confirmed(std::move(callback));
}

void LocalEndpoint::on_refused(std::function<void(const Refusal&)> callback) {
  check_thread();
  peer_->on_refused(std::move(callback));
}

void LocalEndpoint::on_handler_failed(std::function<void(const HandlerFailure&)> callback) {
  check_thread();
  peer_->on_handler_failed(std::move(callback));
}

SendResult LocalEndpoint::send(Bytes batch, uint32_t messages) {
  check_thread();
  return peer_->send(batch, messages);
}

Held LocalEndpoint::hold() {
  check_thread();
  return peer_->hold();
}

bool LocalEndpoint::ack(const Held& held) {
  check_thread();
  return peer_->ack(held);
}

bool LocalEndpoint::nack(const Held& held, std::string_view reason, bool requeue) {
  check_thread();
  return peer_->nack(held, reason, requeue);
}

size_t LocalEndpoint::held() const {
  check_thread();
  return peer_->held();
}

void LocalEndpoint::pause() {
  check_thread();
  peer_->set_paused(true);
}

void LocalEndpoint::resume() {
  check_thread();
  peer_->set_paused(false);
}

void LocalEndpoint::set_prefetch(uint64_t prefetch) {
  check_thread();
  peer_->set_prefetch(prefetch);
}

void LocalEndpoint::close() {
  check_thread();
  peer_->close();
}

LocalEndpoint::State LocalEndpoint::state() const {
  check_thread();
  return peer_->state();
}

const std::string& LocalEndpoint::fault() const {
  check_thread();
  return peer_->fault();
}

bool LocalEndpoint::draining() const {
  check_thread();
  return peer_->draining();
}

Seq LocalEndpoint::confirmed() const {
  check_thread();
  return peer_->confirmed();
}

uint64_t LocalEndpoint::unconfirmed() const {
  check_thread();
  return peer_->unconfirmed();
}

const Limits& LocalEndpoint::limits() const {
  check_thread();
  return peer_->limits();
}

}  // namespace signalbox
