#include "broker/authentication.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <zmq.hpp>

#include "broker/link.hpp"
#include "broker/random.hpp"

namespace signalbox {

namespace {

constexpr const char* handler_endpoint = "inproc://zeromq.zap.01";
constexpr std::string_view zap_domain = "signalbox";
constexpr std::string_view zap_version = "1.0";

// ZMQ_ZAP_ENFORCE_DOMAIN: nobody gets in where no handler is bound. libzmq's header shows it to draft builds alone, the
// library takes it in any. One that did not would still find the handler bound for as long as the link's socket lives.
constexpr int enforce_domain = 93;

[[noreturn]] void fail(const std::string& what) {
  throw LinkError("keys: " + what);
}

[[noreturn]] void fail_with_reason(const std::string& what) {
  fail(what + ": " + zmq_strerror(zmq_errno()));
}

void require_curve() {
  if (zmq_has("curve") == 0) {
    fail("this libzmq was built without CURVE (libsodium); install the distribution's libzmq5, or leave keys out");
  }
}

void set_option(void* socket, int option, const void* value, size_t size) {
  if (zmq_setsockopt(socket, option, value, size) != 0) fail_with_reason("a socket does not take them");
}

void set_option(void* socket, int option, int value) {
  set_option(socket, option, &value, sizeof value);
}

// A socket that closes itself, without waiting for what it has not sent.
class Socket {
 public:
  Socket(void* context, int type) : handle_(zmq_socket(context, type)) {
    if (handle_ == nullptr) fail_with_reason("no ZeroMQ socket");
    set_option(handle_, ZMQ_LINGER, 0);
  }
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  void* get() const { return handle_; }
  void close() {
    if (handle_ != nullptr) zmq_close(std::exchange(handle_, nullptr));
  }

 private:
  void* handle_;
};

// A question as ZAP has it. Parts that are missing are empty; `parts` counts all that came.
struct Question {
  enum Part : size_t { version, request, domain, address, identity, mechanism, credentials, count };
  std::array<std::string, count> part;
  size_t parts = 0;
};

// False: none is there, or the context is being shut down.
bool receive(void* socket, Question& question) {
  zmq::message_t part;
  question.parts = 0;
  for (bool more = true; more; ++question.parts) {
    int got = 0;
    do {
      got = zmq_msg_recv(part.handle(), socket, ZMQ_DONTWAIT);
    } while (got < 0 && zmq_errno() == EINTR);
    if (got < 0) return false;
    if (question.parts < Question::count) question.part[question.parts] = part.to_string();
    more = part.more();
  }
  return question.parts > 0;
}

void answer(void* socket, const Question& question, bool allowed, const std::string& user) {
  const std::string_view parts[] = {
      zap_version, question.part[Question::request], allowed ? "200" : "400", allowed ? "" : "unknown key", user, ""};
  for (size_t i = 0; i < std::size(parts); ++i) {
    const int flags = i + 1 < std::size(parts) ? ZMQ_SNDMORE | ZMQ_DONTWAIT : ZMQ_DONTWAIT;
    // What cannot be said is a question without an answer, and libzmq lets nobody in without one.
    if (zmq_send(socket, parts[i].data(), parts[i].size(), flags) < 0) return;
  }
}

}  // namespace

struct Authentication::State {
  explicit State(void* in) : context(in), socket(in, ZMQ_REP), wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake < 0) fail("no descriptor left");
  }
  ~State() {
    stop();
    close(wake);
  }

  void stop() {
    if (!thread.joinable()) return;
    stopping.store(true);
    const uint64_t one = 1;
    (void)!write(wake, &one, sizeof one);
    thread.join();
    // By name first: the socket itself goes at libzmq's leisure, and the name must be free for the next broker.
    zmq_unbind(socket.get(), handler_endpoint);
    socket.close();
  }
  void serve();
  bool allows(const Question& question);

  void* const context;
  Socket socket;  // the thread's, once that runs
  const int wake;
  std::atomic<bool> stopping = false;
  std::atomic<uint64_t> refused = 0;  // written by the thread, read by the broker's
  std::mutex mutex;
  std::unordered_set<std::string> allowed;  // held by `mutex`; changed by a reload, read at handshakes
  std::thread thread;
};

bool Authentication::State::allows(const Question& question) {
  const bool is_ours = question.parts == Question::count && question.part[Question::version] == zap_version &&
                       question.part[Question::domain] == zap_domain && question.part[Question::mechanism] == "CURVE";
  if (!is_ours) return false;
  const std::lock_guard lock(mutex);
  return allowed.contains(question.part[Question::credentials]);
}

void Authentication::State::serve() {
  while (!stopping.load()) {
    zmq_pollitem_t items[] = {{socket.get(), 0, ZMQ_POLLIN, 0}, {nullptr, wake, ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, -1) < 0 && zmq_errno() != EINTR) return;  // the context is being shut down
    for (Question question; !stopping.load() && receive(socket.get(), question);) {
      const bool is_allowed = allows(question);
      if (!is_allowed) refused.fetch_add(1, std::memory_order_relaxed);
      answer(socket.get(), question, is_allowed,
             is_allowed ? text_of_key(question.part[Question::credentials]) : std::string());
    }
  }
}

Authentication::Authentication(void* context, const std::vector<std::string>& allowed) {
  require_curve();
  state_ = std::make_unique<State>(context);
  refuse_all_but(allowed);
  if (zmq_bind(state_->socket.get(), handler_endpoint) != 0) {
    if (zmq_errno() == EADDRINUSE) fail("something else in this ZeroMQ context answers for keys (ZAP) already");
    fail_with_reason("nobody can answer for them");
  }
  // The host's signals are for the host's threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    state_->thread = std::thread([state = state_.get()] { state->serve(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Authentication::~Authentication() = default;

void Authentication::refuse_all_but(const std::vector<std::string>& allowed) {
  std::unordered_set<std::string> keys(allowed.begin(), allowed.end());
  const std::lock_guard lock(state_->mutex);
  state_->allowed.swap(keys);
}

uint64_t Authentication::refused() const {
  return state_->refused.load(std::memory_order_relaxed);
}

void Authentication::stop() {
  state_->stop();
}

void Authentication::protect(void* socket, const SecretKey& secret) const {
  set_option(socket, ZMQ_ZAP_DOMAIN, zap_domain.data(), zap_domain.size());
  const int on = 1;
  (void)zmq_setsockopt(socket, enforce_domain, &on, sizeof on);
  set_option(socket, ZMQ_CURVE_SERVER, 1);
  set_option(socket, ZMQ_CURVE_SECRETKEY, secret.bytes().data(), secret.bytes().size());
}

void Authentication::prove_refusal(void* socket, const SecretKey& secret) const {
  char random[16];
  fill_random(random, sizeof random);
  std::string name;
  for (const char byte : random) {
    name.push_back(static_cast<char>('a' + (static_cast<unsigned char>(byte) & 15)));
    name.push_back(static_cast<char>('a' + (static_cast<unsigned char>(byte) >> 4)));
  }
  const std::string here = "ipc://@signalbox-" + name;  // an abstract name: no file
  const std::string monitor_endpoint = "inproc://signalbox-" + name;
  if (zmq_bind(socket, here.c_str()) != 0) fail_with_reason("they could not be tried out");

  const Socket stranger(state_->context, ZMQ_DEALER);
  Socket monitor(state_->context, ZMQ_PAIR);
  const KeyPair keys = make_key_pair();
  const std::string server = public_key_of(secret);
  set_option(stranger.get(), ZMQ_CURVE_SERVERKEY, server.data(), server.size());
  set_option(stranger.get(), ZMQ_CURVE_PUBLICKEY, keys.public_key.c_str(), key_characters + 1);
  set_option(stranger.get(), ZMQ_CURVE_SECRETKEY, keys.secret_key.c_str(), key_characters + 1);
  const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  const bool tries = zmq_socket_monitor(stranger.get(), monitor_endpoint.c_str(), events) == 0 &&
                     zmq_connect(monitor.get(), monitor_endpoint.c_str()) == 0 &&
                     zmq_connect(stranger.get(), here.c_str()) == 0;
  uint16_t event = 0;
  zmq::message_t part;
  set_option(monitor.get(), ZMQ_RCVTIMEO, probe_ms);
  if (tries && zmq_msg_recv(part.handle(), monitor.get(), 0) >= static_cast<int>(sizeof event)) {
    std::memcpy(&event, part.data(), sizeof event);
  }
  zmq_socket_monitor(stranger.get(), nullptr, 0);
  zmq_unbind(socket, here.c_str());
  if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) fail("a key that nobody knows got in; the broker does not start");
  if (event != ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) fail("that an unknown key is refused could not be shown in time");
}

KeyPair make_key_pair() {
  require_curve();
  char public_text[key_characters + 1];
  char secret_text[key_characters + 1];
  if (zmq_curve_keypair(public_text, secret_text) != 0) fail_with_reason("no new pair");
  KeyPair pair{public_text, secret_text};
  explicit_bzero(secret_text, sizeof secret_text);
  return pair;
}

std::string public_key_of(const SecretKey& secret) {
  require_curve();
  std::string text = text_of_key(secret.bytes());
  char public_text[key_characters + 1];
  const bool done = zmq_curve_public(public_text, text.c_str()) == 0;
  wipe(text);
  if (!done) fail_with_reason("no public key belongs to the secret one");
  return key_from_text(public_text).value();
}

}  // namespace signalbox
