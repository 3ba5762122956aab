#include "broker/link.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <zmq.hpp>

#include "broker/authentication.hpp"
#include "broker/core/assert.hpp"
#include "broker/core/settings.hpp"
#include "broker/random.hpp"
#include "protocol/header.hpp"
#include "protocol/limits.hpp"

#if defined(__SANITIZE_THREAD__)
#define SIGNALBOX_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALBOX_TSAN 1
#endif
#endif
#ifdef SIGNALBOX_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace signalbox {

namespace {

// A message for a peer waits here while the peer reads slowly. Prefetch and unsettled bytes bound deliveries long
// before this does; it only bounds what is small (confirmations, answers) towards a peer that reads nothing.
constexpr int send_high_water_messages = 1000;
// Roomy enough that libzmq does not stop reading (and miss heartbeats) between two turns, few enough that one peer's
// frames of max_batch_bytes do not fill the memory.
constexpr int receive_high_water_messages = 64;

// ZMTP heartbeats (protocol page, section 6).
constexpr int heartbeat_interval_ms = 5000;
constexpr int heartbeat_timeout_ms = 15'000;
constexpr int heartbeat_ttl_ms = 15'000;  // libzmq 4.3.4 wraps at 65536
constexpr int handshake_ms = 5000;        // a connection that says nothing goes after this long
// Each connection has timers for its heartbeats, and libzmq 4.3.4 looks for the one to cancel through all those of its
// I/O thread: with so many threads each of them walks past a quarter, for a quarter of the connections. With one,
// 10,000 peers that answer their heartbeats keep it from doing anything else.
constexpr int io_threads = 4;
constexpr int backlog_connections = 4096;
constexpr int keepalive_idle_s = 60;
constexpr int keepalive_interval_s = 10;
constexpr int keepalive_probes = 3;

// Up to this size a body is copied. Measured over TCP on two cores, time of the sending thread for a message: at 128 to
// 1024 bytes 0.16 to 0.20 us either way, at 16 KiB 1.6 us copied and 0.8 us by reference, at 64 KiB 5.7 and 1.3. Where
// nothing is gained, a copy lets the queue's block go at once.
constexpr size_t copied_body_bytes_max = 1024;

constexpr size_t parts_a_call_max = 1024;
constexpr size_t foreign_answers_max = 1024;  // peers with a claimed routing id answered in one interval
constexpr uint64_t foreign_interval_ms = 1000;
constexpr uint64_t linger_ms_max = 60'000;

// Routing ids that libzmq makes: a zero byte, then a number.
constexpr size_t own_id_bytes = 5;

bool is_own_id(Bytes id) {
  return id.size() == own_id_bytes && id[0] == 0;
}

ConnectionId to_connection(Bytes id) {
  ConnectionId connection = 0;
  for (size_t i = 1; i < own_id_bytes; ++i) connection = connection << 8 | static_cast<unsigned char>(id[i]);
  return connection;
}

void write_id(char (&id)[own_id_bytes], ConnectionId connection) {
  id[0] = 0;
  for (size_t i = own_id_bytes - 1; i > 0; --i, connection >>= 8) id[i] = static_cast<char>(connection & 0xff);
}

// libzmq is not instrumented, so ThreadSanitizer cannot see that a body handed to it happens before the I/O thread
// drops it. These two say so, and are nothing in every other build.
void announce_hand_over([[maybe_unused]] Block* block) {
#ifdef SIGNALBOX_TSAN
  __tsan_release(block);
#endif
}

// Called by libzmq, on its I/O thread, when the bytes of a body have left.
void drop_body(void*, void* hint) {
  Block* block = static_cast<Block*>(hint);
#ifdef SIGNALBOX_TSAN
  __tsan_acquire(block);
#endif
  Run::drop(block);
}

// Remembers for one to two intervals who has been answered, in two generations, so that forgetting costs nothing.
class RecentlyAnswered {
 public:
  // True: not answered lately, and now noted. False: answered lately, or too many others were.
  bool note(Bytes id, uint64_t now_ms) {
    if (now_ms - turned_ms_ >= foreign_interval_ms) {
      before_.swap(now_);
      if (now_ms - turned_ms_ >= 2 * foreign_interval_ms) before_.clear();
      now_.clear();
      turned_ms_ = now_ms;
    }
    const std::string key(id);
    if (now_.size() >= foreign_answers_max || before_.count(key) != 0) return false;
    return now_.insert(key).second;
  }

 private:
  std::unordered_set<std::string> now_;
  std::unordered_set<std::string> before_;
  uint64_t turned_ms_ = 0;
};

// libzmq removes the file of an ipc endpoint before it binds, and so takes a living broker's away. Ask first whether
// someone listens there.
bool is_listening(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = 0;  // an abstract name
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 || errno == EAGAIN;
  ::close(fd);
  return connected;
}

std::string bind_fault(const std::string& endpoint, int error) {
  std::string text = "cannot listen at " + endpoint + ": ";
  switch (error) {
    case EADDRINUSE:
      return text + "address in use, something else listens there";
    case EADDRNOTAVAIL:
    case ENODEV:
      return text + "no interface of this host has that address";
    case EACCES:
      return text + "not permitted (a port below 1024, or a folder that this user may not write to)";
    case EINVAL:
      return text + "not an endpoint; write tcp://ADDRESS:PORT, ipc://PATH or inproc://NAME";
    case EPROTONOSUPPORT:
      return text + "no such transport; there are tcp, ipc and inproc";
    case ENOENT:
      return text + "the folder does not exist";
    default:
      return text + zmq_strerror(error);
  }
}

}  // namespace

struct Link::State {
  void* own_context = nullptr;  // null where one was handed in
  zmq::socket_ref socket;       // ours to close; null once closed
  bool lends = false;           // bodies may leave by reference

  // The parts of the message that was received last.
  zmq::message_t id;
  zmq::message_t header;
  zmq::message_t body;
  zmq::message_t surplus;
  bool skipping = false;  // in the middle of a message whose first parts were handed out already

  RecentlyAnswered answered;
  std::string reply;

  std::optional<Authentication> authentication;  // where there are keys
  bool has_inproc = false;
  std::string peer_key;  // of the peer that was heard last

  ~State() { close(0); }

  void open(void* context, const LinkSettings& settings);
  Bytes key_behind(zmq::message_t& part);
  void close(uint64_t linger_ms);
  bool receive_part(zmq::message_t& part);
  bool send_part(Bytes bytes, int flags);
  Output::Result begin(Bytes to, Bytes head, bool body_follows);
  void send_body(Run run);
};

// cppzmq's exceptions end here and in bind().
void Link::State::open(void* context, const LinkSettings& settings) {
  // libzmq numbers the routing ids that it makes from rand(), which nobody else seeds, and ends the process where a
  // peer has claimed the number that comes next. So that no peer knows it, the seed must stand before there is a
  // socket.
  unsigned seed = 0;
  fill_random(&seed, sizeof seed);
  srand(seed);

  if (context == nullptr) {
    context = own_context = zmq_ctx_new();
    if (context != nullptr) zmq_ctx_set(context, ZMQ_IO_THREADS, io_threads);
  }
  lends = own_context != nullptr;
  if (context != nullptr) socket = zmq::socket_ref(zmq::from_handle, zmq_socket(context, ZMQ_ROUTER));
  if (socket.handle() == nullptr) throw LinkError(std::string("no ZeroMQ socket: ") + zmq_strerror(zmq_errno()));

  namespace option = zmq::sockopt;
  try {
    socket.set(option::router_mandatory, true);  // and never router_handover: a name taken over is mail stolen
    socket.set(option::maxmsgsize, static_cast<int64_t>(settings.max_batch_bytes + limits::oversize_grace_bytes));
    socket.set(option::rcvhwm, receive_high_water_messages);
    socket.set(option::sndhwm, send_high_water_messages);
    socket.set(option::heartbeat_ivl, heartbeat_interval_ms);
    socket.set(option::heartbeat_timeout, heartbeat_timeout_ms);
    socket.set(option::heartbeat_ttl, heartbeat_ttl_ms);
    socket.set(option::handshake_ivl, handshake_ms);
    socket.set(option::backlog, backlog_connections);
    socket.set(option::tcp_keepalive, 1);
    socket.set(option::tcp_keepalive_idle, keepalive_idle_s);
    socket.set(option::tcp_keepalive_intvl, keepalive_interval_s);
    socket.set(option::tcp_keepalive_cnt, keepalive_probes);
    socket.set(option::linger, 0);  // close() says how long
  } catch (const zmq::error_t& error) {
    throw LinkError(std::string("cannot set up the ZeroMQ socket: ") + error.what());
  }
  if (!settings.secret_key) return;
  authentication.emplace(context, settings.peer_keys);
  authentication->protect(socket.handle(), settings.secret_key);
  authentication->prove_refusal(socket.handle(), settings.secret_key);
}

// Whose message a part belongs to. Any part but the first, where libzmq 4.3.4 may leave it out. What came over inproc
// has passed no handshake, and libzmq knows nothing of its peer, not even the type of its socket.
Bytes Link::State::key_behind(zmq::message_t& part) {
  if (const char* const user = zmq_msg_gets(part.handle(), "User-Id"); user != nullptr && *user != 0) {
    peer_key = key_from_text(user).value_or("");
    return peer_key;
  }
  return has_inproc && zmq_msg_gets(part.handle(), "Socket-Type") == nullptr ? own_process_key : Bytes();
}

void Link::State::close(uint64_t linger_ms) {
  if (socket.handle() != nullptr) {
    const int linger = static_cast<int>(std::min<uint64_t>(linger_ms, linger_ms_max));
    zmq_setsockopt(socket.handle(), ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(socket.handle());
    socket = zmq::socket_ref();
  }
  authentication.reset();
  if (own_context != nullptr) {
    for (zmq::message_t* part : {&id, &header, &body, &surplus}) part->rebuild();
    while (zmq_ctx_term(own_context) != 0 && zmq_errno() == EINTR) continue;
    own_context = nullptr;
  }
}

// Reads one part; false: there is none, or the context is being shut down.
bool Link::State::receive_part(zmq::message_t& part) {
  for (;;) {
    if (zmq_msg_recv(part.handle(), socket.handle(), ZMQ_DONTWAIT) >= 0) return true;
    if (zmq_errno() != EINTR) return false;
  }
}

bool Link::State::send_part(Bytes bytes, int flags) {
  for (;;) {
    if (zmq_send(socket.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT | flags) >= 0) return true;
    if (zmq_errno() != EINTR) return false;
  }
}

// Sends routing id and header, in one go with whatever follows.
//
// Only the routing id can be turned down: with it the ROUTER looks up the peer's pipe and asks whether it has room, and
// a message that has begun is then taken whole. A pipe that goes in the middle of it swallows the rest without an
// error, as one that goes right behind it would; the next send says EHOSTUNREACH. (ETERM can come at any part: then all
// is over.)
Output::Result Link::State::begin(Bytes to, Bytes head, bool body_follows) {
  if (!send_part(to, ZMQ_SNDMORE)) {
    const int error = zmq_errno();
    SIGNALBOX_ASSERT(error == EAGAIN || error == EHOSTUNREACH || error == ETERM, "sending a routing id");
    return error == EAGAIN ? Result::blocked : Result::gone;
  }
  if (send_part(head, body_follows ? ZMQ_SNDMORE : 0)) return Result::sent;
  SIGNALBOX_ASSERT(zmq_errno() == ETERM, "sending a header");
  return Result::gone;
}

void Link::State::send_body(Run run) {
  const Bytes bytes = run.bytes();
  if (!lends || bytes.size() <= copied_body_bytes_max) {
    SIGNALBOX_ASSERT(send_part(bytes, 0) || zmq_errno() == ETERM, "sending a body");
    return;
  }
  zmq_msg_t part;
  Block* const block = run.release();
  announce_hand_over(block);
  SIGNALBOX_ASSERT(zmq_msg_init_data(&part, const_cast<char*>(bytes.data()), bytes.size(), drop_body, block) == 0,
                   "no memory for a reference to a body");
  while (zmq_msg_send(&part, socket.handle(), ZMQ_DONTWAIT) < 0) {
    if (zmq_errno() == EINTR) continue;
    SIGNALBOX_ASSERT(zmq_errno() == ETERM, "sending a body");
    zmq_msg_close(&part);
    return;
  }
}

Link::Link(const LinkSettings& settings, void* context) : state_(std::make_unique<State>()) {
  if (settings.endpoints.empty()) return;
  state_->open(context, settings);
  for (const std::string& endpoint : settings.endpoints) bind(endpoint);
}

Link::~Link() = default;

void Link::bind(const std::string& endpoint) {
  constexpr std::string_view ipc = "ipc://";
  if (endpoint.compare(0, ipc.size(), ipc) == 0 && is_listening(endpoint.substr(ipc.size())))
    throw LinkError(bind_fault(endpoint, EADDRINUSE));
  try {
    // Only where it is asked for: with it on, libzmq would look for localhost among the IPv6 addresses alone.
    state_->socket.set(zmq::sockopt::ipv6, endpoint.find('[') != std::string::npos);
    state_->socket.bind(endpoint);
    state_->has_inproc |= endpoint.starts_with("inproc://");
    endpoints_.push_back(state_->socket.get(zmq::sockopt::last_endpoint));
  } catch (const zmq::error_t& error) {
    throw LinkError(bind_fault(endpoint, error.num()));
  }
}

Receipt Link::receive(Received& received, uint64_t now_ms) {
  State& state = *state_;
  if (state.socket.handle() == nullptr) return Receipt::nothing;
  if (state.skipping) return skip(received);
  if (!state.receive_part(state.id)) {
    if (state.authentication) counters_.refused_keys = state.authentication->refused();
    return Receipt::nothing;
  }

  // libzmq shows a message once it is there as a whole, so the parts behind the first never keep us waiting.
  received = {};
  zmq::message_t* const parts[] = {&state.header, &state.body};
  Bytes* const views[] = {&received.header, &received.body};
  bool more = state.id.more();
  for (size_t i = 0; i < 2 && more; ++i) {
    if (!state.receive_part(*parts[i])) return Receipt::nothing;
    *views[i] = parts[i]->to_string_view();
    received.bytes += views[i]->size();
    ++received.parts;
    more = parts[i]->more();
  }
  if (more) {
    // Surplus in any case, however many there are: say so now, and drop the rest call by call.
    ++received.parts;
    state.skipping = true;
  }

  const Bytes id = state.id.to_string_view();
  if (!is_own_id(id)) {
    ++counters_.foreign_frames;
    answer_foreign(received.header, now_ms);
    return Receipt::ignored;
  }
  received.from = to_connection(id);
  if (state.authentication && received.parts > 0) received.peer_key = state.key_behind(state.header);
  ++counters_.frames_received;
  counters_.bytes_received += received.bytes;
  return Receipt::frame;
}

OwnedBytes Link::take_body() {
  zmq::message_t& body = state_->body;
  if (body.size() <= copied_body_bytes_max) return OwnedBytes::copy(body.to_string_view());
  auto* const owner = new zmq::message_t(std::move(body));
  return {owner->to_string_view(), owner, [](void* kept) { delete static_cast<zmq::message_t*>(kept); }};
}

// Drops the next surplus parts of the message under way.
Receipt Link::skip(Received& received) {
  received = {};
  for (size_t i = 0; i < parts_a_call_max; ++i) {
    if (!state_->receive_part(state_->surplus)) return Receipt::nothing;
    ++counters_.surplus_parts;
    received.bytes += state_->surplus.size();
    if (!state_->surplus.more()) {
      state_->skipping = false;
      break;
    }
  }
  return Receipt::ignored;
}

// A routing id that the peer claimed is no name to trust: the next who claims it gets the mail. Only a HELLO is
// answered, so that whoever wrote that worker learns what to change.
void Link::answer_foreign(Bytes header, uint64_t now_ms) {
  const auto frame = parse_worker_frame(header, limits::max_prefetch);
  if (!frame || !std::holds_alternative<Hello>(*frame)) return;
  const Bytes id = state_->id.to_string_view();
  if (!state_->answered.note(id, now_ms)) return;
  write(state_->reply, ErrorFrame{to_string(ErrorCode::not_permitted), "set no routing id on the worker's socket"});
  if (state_->begin(id, state_->reply, false) == Result::sent) ++counters_.foreign_answers;
}

Output::Result Link::send(ConnectionId to, Bytes header, Run body) {
  if (state_->socket.handle() == nullptr) return Result::gone;
  char id[own_id_bytes];
  write_id(id, to);
  const size_t body_bytes = body.bytes().size();
  const Result result = state_->begin({id, sizeof id}, header, body_bytes > 0);
  if (result == Result::blocked) {
    blocked_ = true;
    ++counters_.blocked;
  }
  if (result != Result::sent) return result;
  if (body_bytes > 0) state_->send_body(std::move(body));
  ++counters_.frames_sent;
  counters_.bytes_sent += header.size() + body_bytes;
  return Result::sent;
}

bool Link::wait(uint64_t timeout_ms, int other_fd, std::initializer_list<int> wake_fds) {
  // Never for room to send: a ROUTER says that it has some as soon as any one peer has, so that would spin.
  constexpr size_t wake_fds_max = 2;
  SIGNALBOX_ASSERT(wake_fds.size() <= wake_fds_max, "so many may wake the loop");
  zmq_pollitem_t items[2 + wake_fds_max] = {};
  int count = 0;
  if (other_fd >= 0) items[count++] = {nullptr, other_fd, ZMQ_POLLIN, 0};
  for (const int fd : wake_fds) items[count++] = {nullptr, fd, ZMQ_POLLIN, 0};
  if (state_->socket.handle() != nullptr) items[count++] = {state_->socket.handle(), 0, ZMQ_POLLIN, 0};
  zmq_poll(items, count, static_cast<long>(timeout_ms));
  return other_fd >= 0 && items[0].revents != 0;
}

bool Link::has_input() {
  if (state_->socket.handle() == nullptr) return false;
  int events = 0;
  size_t size = sizeof events;
  return zmq_getsockopt(state_->socket.handle(), ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

int Link::fd() const {
  int fd = -1;
  size_t size = sizeof fd;
  if (state_->socket.handle() != nullptr) zmq_getsockopt(state_->socket.handle(), ZMQ_FD, &fd, &size);
  return fd;
}

bool Link::take_blocked() {
  return std::exchange(blocked_, false);
}

void Link::set_peer_keys(const std::vector<std::string>& peer_keys) {
  if (state_->socket.handle() == nullptr) return;
  SIGNALBOX_ASSERT(state_->authentication.has_value(), "peers have keys where the broker has one");
  state_->authentication->refuse_all_but(peer_keys);
}

void Link::close(uint64_t linger_ms) {
  state_->close(linger_ms);
}

std::string Link::library_version() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  zmq_version(&major, &minor, &patch);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

}  // namespace signalbox
