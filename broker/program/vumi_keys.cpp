#include "broker/program/vumi_keys.hpp"

#include <map>

namespace signalbox {

VumiValue vumi_value_of(std::string_view key) {
  static const std::map<std::string_view, VumiValue> values = {
      {"toaddr_mappings", VumiValue::patterns},
      {"pattern", VumiValue::patterns},
      {"regular_expression", VumiValue::patterns},
      {"addr_pattern", VumiValue::patterns},
      {"tagname_pattern", VumiValue::patterns},
      {"expire_routing_memory", VumiValue::number},
      {"consume_priority", VumiValue::number},
      {"publish_priority", VumiValue::number},
      {"timeout", VumiValue::number},
      {"reply_tracking", VumiValue::boolean},
      {"reply_affinity", VumiValue::boolean},
      {"rewrite_transport_name", VumiValue::boolean},
      {"rewrite_transport_names", VumiValue::boolean},
      {"default", VumiValue::boolean},
      {"strip_plus", VumiValue::boolean},
      {"msg_template", VumiValue::typed},
      {"middleware", VumiValue::pieces},
      {"rules", VumiValue::fields},
      {"to_address_mappings", VumiValue::fields},
      {"destinations", VumiValue::fields},
      {"config", VumiValue::fields},
      {"message_cache_config", VumiValue::fields},
      {"incoming", VumiValue::fields},
      {"outgoing", VumiValue::fields},
      {"normalize_msisdn", VumiValue::fields},
  };
  const auto found = values.find(key);
  return found == values.end() ? VumiValue::texts : found->second;
}

std::string_view vumi_alone(std::string_view key) {
  constexpr std::string_view rabbitmq = "of the connection to RabbitMQ; the address here is [broker] endpoint";
  constexpr std::string_view junebug = "of Junebug's HTTP interface";
  static const std::map<std::string_view, std::string_view> reasons = {
      {"worker_name", "of vumi's heartbeats; [broker] has heartbeats of its own"},
      {"worker_class", "which program runs; here it is always the broker"},
      {"system_id", "of vumi's heartbeats"},
      {"dispatcher_name", "begins the keys in Redis; this router keeps nothing under a name"},
      {"amqp_prefetch_count", "of RabbitMQ; each worker says here how many deliveries it takes"},
      {"worker_concurrency", "of vumi2's handlers; messages keep their order here"},
      {"redis_manager", "the broker keeps its state itself, without Redis"},
      {"message_cache_class", "there is one memory, and it is the broker's"},
      {"amqp", rabbitmq},
      {"amqp_url", rabbitmq},
      {"vhost", rabbitmq},
      {"hostname", rabbitmq},
      {"port", rabbitmq},
      {"username", rabbitmq},
      {"password", rabbitmq},
      {"specfile", rabbitmq},
      {"http_bind", "of vumi2's health page"},
      {"log_level", "the broker writes all levels"},
      {"sentry_dsn", "the broker reports to its log"},
      {"type", junebug},
      {"id", junebug},
      {"label", junebug},
      {"metadata", junebug},
      {"status", junebug},
      {"inbound_ttl", "how long messages are remembered is expire_routing_memory here"},
      {"outbound_ttl", "how long messages are remembered is expire_routing_memory here"},
      {"metric_window", junebug},
  };
  const auto found = reasons.find(key);
  return found == reasons.end() ? std::string_view() : found->second;
}

std::string_view instead_of_middleware(std::string_view class_name) {
  static const std::map<std::string_view, std::string_view> instead = {
      {"StoringMiddleware", "an application that is a further target of each transport can store messages"},
      {"UnidecoderMiddleware", "let the transport transliterate"},
      {"MetricsMiddleware", "the broker has counters of its own"},
      {"UnidecodeMiddleware", "let the transport transliterate"},
  };
  const auto found = instead.find(class_name);
  return found == instead.end() ? std::string_view() : found->second;
}

const std::vector<std::string_view>* item_fields(std::string_view key) {
  static const std::map<std::string_view, std::vector<std::string_view>> fields = {
      {"rules", {"app", "keyword", "to_addr", "prefix"}},
      {"to_address_mappings", {"name", "pattern"}},
      {"destinations", {"id", "config"}},
      {"config", {"regular_expression", "default"}},
      {"message_cache_config", {"timeout"}},
  };
  const auto found = fields.find(key);
  return found == fields.end() ? nullptr : &found->second;
}

}  // namespace signalbox
