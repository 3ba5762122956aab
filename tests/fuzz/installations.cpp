#include "tests/fuzz/installations.hpp"

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "broker/configuration_toml.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace signalbox::fuzz {
namespace {

constexpr const char* limits_of_all = R"(
[broker]
max_message_bytes = 400
max_batch_bytes = 2000
send_window = 8
send_window_bytes = 3000
max_prefetch = 6
max_unsettled_bytes = 1500
max_registrations = 6
max_sessions = 8
session_ttl = 60
routing_memory_bytes = 65536
max_users = 50
drain_ms = 20000
removed_endpoint_ms = 3000
)";

constexpr std::array<const char*, installation_count> texts = {
    // Plain, with queues that fill.
    R"(
router_class = "SimpleDispatchRouter"
transport_names = ["sms", "ussd", "carrier"]
exposed_names = ["survey", "helper"]
relays = ["carrier"]
[routing_mappings]
sms = ["survey", "helper"]
ussd = "survey"
nobody = "helper"
[endpoint_defaults]
max_bytes = 900
max_messages = 4
block_ms = 2000
[endpoints.helper]
overflow = "refuse"
[endpoints.sms]
overflow = "drop_oldest"
)",
    // The same names, other rules: what a reload changes into.
    R"(
router_class = "LoadBalancingRouter"
transport_names = ["ussd", "sms"]
exposed_names = ["survey"]
[endpoint_defaults]
message_ttl_ms = 700
expired = "dead_letter"
ack_timeout_ms = 900
max_deliveries = 2
redeliver_ms = 50
)",
    R"(
router_class = "ToAddrRouter"
transport_names = ["sms", "ussd"]
exposed_names = ["survey", "helper"]
middleware = [
  {hops = "LoggingMiddleware"},
  {za = {class = "AddressPrefixProviderSettingMiddleware"}},
  {length = "SessionLengthMiddleware"},
]
[toaddr_mappings]
survey = '12345'
helper = ''
[za]
provider_prefixes = {"+2783" = "MTN"}
normalize_msisdn = {country_code = "27"}
[length]
timeout = 30
[endpoint_defaults]
message_ttl_ms = 5000
ack_timeout_ms = 30000
max_messages = 6
overflow = "drop_oldest"
)",
    // A chain of two and a dispatcher beside it.
    R"(
[[dispatcher]]
name = "outer"
router_class = "SimpleDispatchRouter"
transport_names = ["sms", "ussd"]
exposed_names = ["core", "survey"]
routing_mappings = {sms = ["core", "survey"], ussd = "core"}
[[dispatcher]]
name = "inner"
router_class = "ContentKeywordRouter"
dispatcher_name = "inner"
transport_names = ["core"]
exposed_names = ["helper", "nobody"]
fallback_application = "helper"
rules = [{app = "nobody", keyword = "stop"}, {app = "nobody", keyword = "vote", to_addr = "12345"}]
transport_mappings = {"12345" = "core", "99" = "core"}
dead_letters = "inner_dead"
[[dispatcher]]
name = "beside"
router_class = "TransportToTransportRouter"
transport_names = ["carrier", "other"]
routing_mappings = {carrier = ["other", "carrier"], other = "carrier"}
[endpoint_defaults]
max_messages = 5
block_ms = 500
)",
    R"(
router_class = "UserGroupingRouter"
dispatcher_name = "trial"
transport_names = ["sms", "ussd"]
exposed_names = ["survey", "helper"]
group_mappings = {control = "survey", treated = "helper"}
routing_mappings = {sms = "survey"}
[endpoints.survey]
overflow = "refuse"
max_messages = 2
)",
    R"(
[[dispatcher]]
router_class = "RedirectRouter"
transport_names = ["sms"]
exposed_names = ["survey"]
redirect_inbound = {sms = "survey"}
redirect_outbound = {survey = "sms"}
[[dispatcher]]
router_class = "RoutingTableDispatcher"
receive_inbound_connectors = ["ussd"]
receive_outbound_connectors = ["helper", "nobody"]
[dispatcher.routing_table]
ussd = {default = ["helper", "default"], tag = ["nobody", "ussd"]}
helper = {default = ["ussd", "default"]}
[[dispatcher]]
router_class = "FromAddrMultiplexRouter"
transport_names = ["carrier"]
exposed_names = ["core"]
fromaddr_mappings = {"12345" = "carrier"}
[endpoint_defaults]
ack_timeout_ms = 300
message_ttl_ms = 300
)",
    R"(
[[dispatcher]]
router_class = "ToAddressRouter"
transport_names = ["sms", "ussd"]
default_app = "helper"
to_address_mappings = [{name = "survey", pattern = '12345$'}, {name = "core", pattern = '\*120'}]
reply_tracking = false
[[dispatcher]]
router_class = "FromAddressRouter"
channel = "carrier"
reply_tracking = false
destinations = [
  {id = "nobody", config = {regular_expression = '^12345'}},
  {id = "other", config = {regular_expression = '^0$', default = true}},
]
)",
    // One in which nothing has a limit that a short input reaches, and which leaves names out.
    R"(
router_class = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names = ["survey"]
middleware = [{tags = "TaggingMiddleware"}]
routing_mappings = {sms = "survey"}
[tags.incoming]
addr_pattern = '^\+?\d*(?P<code>\d{5})$'
tagpool_template = 'shortcodes'
tagname_template = 'shop-\g<code>'
[tags.outgoing]
tagname_pattern = 'shop-(\d{5})$'
[tags.outgoing.msg_template]
from_addr = '\1'
)",
};

const Setting& tree_of(size_t which) {
  static const std::vector<Setting> trees = [] {
    std::vector<Setting> all;
    for (const char* text : texts) {
      std::variant<Setting, Fault> parsed = parse_toml(std::string(text) + limits_of_all);
      if (const auto* fault = std::get_if<Fault>(&parsed)) fail(to_line("installation", *fault), text);
      all.push_back(std::get<Setting>(std::move(parsed)));
    }
    return all;
  }();
  return trees[which];
}

}  // namespace

const RouterRegistry& registry() {
  static const RouterRegistry all;
  return all;
}

std::unique_ptr<Configuration> installation(size_t which, const Running* before) {
  ConfigurationResult result = read_configuration(tree_of(which), registry(), before);
  if (before == nullptr)
    for (const Fault& fault : result.faults) fail(to_line("installation", fault), texts[which]);
  return std::move(result.configuration);
}

}  // namespace signalbox::fuzz
