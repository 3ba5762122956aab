// Redis Streams, by hiredis: XADD, XREADGROUP, XACK. Commands are pipelined on both sides: the producer has up to a
// window of them unanswered, the consumer sends the acknowledgement of one read together with the next read.
#include <hiredis/hiredis.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/compare/peers.hpp"

namespace signalbox::bench {
namespace {

constexpr uint64_t messages_a_write = 64;
constexpr const char* group = "group";

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;
using Words = std::vector<std::string_view>;

class RedisConnection {
 public:
  explicit RedisConnection(uint16_t port) : context_(redisConnect("127.0.0.1", port)) {
    if (context_ == nullptr || context_->err != 0) throw std::runtime_error("cannot connect");
    const timeval patience{patience_ms / 1000, 0};
    redisSetTimeout(context_.get(), patience);
  }

  void append(const Words& words) {
    pointers_.clear();
    sizes_.clear();
    for (const std::string_view word : words) {
      pointers_.push_back(word.data());
      sizes_.push_back(word.size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), pointers_.data(), sizes_.data());
  }
  void flush() {
    for (int done = 0; done == 0;)
      if (redisBufferWrite(context_.get(), &done) != REDIS_OK) throw std::runtime_error(context_->errstr);
  }
  // Waits for the answer to the oldest command that has none.
  Reply reply() {
    void* raw = nullptr;
    if (redisGetReply(context_.get(), &raw) != REDIS_OK) throw std::runtime_error(context_->errstr);
    Reply reply(static_cast<redisReply*>(raw));
    if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error(reply->str);
    return reply;
  }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  const std::unique_ptr<redisContext, Free> context_;
  std::vector<const char*> pointers_;
  std::vector<size_t> sizes_;
};

class RedisProducer final : public PeerProducer {
 public:
  explicit RedisProducer(const PeerOptions& options) : window_(options.window), connection_(options.port) {}

  void send(const MessageSource& source, uint64_t first, uint64_t count) override {
    buffer_.resize(source.message_bytes());
    const Words words{"XADD", queue_name, "*", "b", {buffer_.data(), buffer_.size()}};
    for (uint64_t number = first; number < first + count; ++number) {
      source.write(buffer_.data(), number);
      connection_.append(words);
      if (++unanswered_ % messages_a_write == 0) connection_.flush();
      if (unanswered_ >= window_) take_answers(messages_a_write);
    }
    connection_.flush();
  }
  void settle() override { take_answers(unanswered_); }

 private:
  void take_answers(uint64_t count) {
    for (; count > 0; --count, --unanswered_) connection_.reply();
  }

  const uint64_t window_;
  RedisConnection connection_;
  std::vector<char> buffer_;
  uint64_t unanswered_ = 0;
};

class RedisConsumer final : public PeerConsumer {
 public:
  explicit RedisConsumer(const PeerOptions& options)
      : prefetch_(std::to_string(options.prefetch)), connection_(options.consumer_port) {
    connection_.append({"XGROUP", "CREATE", queue_name, group, "0", "MKSTREAM"});
    connection_.reply();
    ask();
  }

  void receive(MessageSink& sink) override {
    connection_.flush();
    if (acknowledging_) connection_.reply();
    const Reply reply = connection_.reply();
    Words ids{"XACK", queue_name, group};
    if (reply->type == REDIS_REPLY_NIL) throw std::runtime_error("nothing came for too long");
    // One stream: its name, then its messages; each has its id, then a field and its value.
    const redisReply& messages = *at(at(*reply, 0), 1);
    for (size_t i = 0; i < messages.elements; ++i) {
      const redisReply& id = *at(at(messages, i), 0);
      const redisReply& body = *at(at(at(messages, i), 1), 1);
      sink.take({body.str, static_cast<size_t>(body.len)});
      ids.emplace_back(id.str, static_cast<size_t>(id.len));
    }
    connection_.append(ids);
    acknowledging_ = true;
    ask();
  }

 private:
  static const redisReply* at(const redisReply& reply, size_t place) {
    if (reply.type != REDIS_REPLY_ARRAY || place >= reply.elements) throw std::runtime_error("not the answer expected");
    return reply.element[place];
  }
  static const redisReply* at(const redisReply* reply, size_t place) { return at(*reply, place); }

  void ask() {
    connection_.append(
        {"XREADGROUP", "GROUP", group, "consumer", "COUNT", prefetch_, "BLOCK", "20000", "STREAMS", queue_name, ">"});
  }

  const std::string prefetch_;
  RedisConnection connection_;
  bool acknowledging_ = false;
};

}  // namespace

Peer redis_peer() {
  return {"redis", make_producer<RedisProducer>, make_consumer<RedisConsumer>};
}

}  // namespace signalbox::bench
