// What every dispatcher has: names and their faults, common keys, stray keys, several dispatchers.
#include <gtest/gtest.h>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

// A dispatcher with these lists in lines 2 and 3, and no transport mapped.
std::string lists(const std::string& transports, const std::string& applications) {
  return "router_class = 'SimpleDispatchRouter'\ntransport_names = [" + transports + "]\nexposed_names = [" +
         applications + "]\nrouting_mappings = {}\n";
}

TEST(Names, AreListedOnceAndInOneRole) {
  EXPECT_EQ(faults_of(lists("'a', 'b', 'a'", "'x'")), Lines{"2:30 \"a\" is listed twice"});
  EXPECT_EQ(faults_of(lists("'a'", "'x', 'x'")), Lines{"3:23 \"x\" is listed twice"});
  EXPECT_EQ(faults_of(lists("'a'", "'x', 'a'")),
            Lines{"3:23 \"a\" is in transport_names already: a name has one role"});
}

TEST(Names, AreLegal) {
  EXPECT_EQ(faults_of(lists("'a', ''", "'x'")), Lines{"2:25 a name must not be empty"});
  EXPECT_EQ(faults_of(lists("'a', 'b/c'", "\"x\\ny\"")),
            (Lines{"2:25 \"b/c\" is no legal name: control characters and '/' must not be in it",
                   "3:18 \"x\\x0ay\" is no legal name: control characters and '/' must not be in it"}));
  const std::string longest(255, 'n');
  EXPECT_EQ(faults_of(lists('\'' + longest + '\'', "'x'")), Lines{});
  EXPECT_EQ(faults_of(lists('\'' + longest + "n'", "'x'")),
            Lines{"2:20 a name has at most 255 bytes, and this one has 256"});
  EXPECT_EQ(faults_of(lists("'é', 'b c'", "'X'")), Lines{});
}

TEST(Names, AreStringsInAList) {
  EXPECT_EQ(faults_of(lists("'a', 1, true", "'x'")),
            (Lines{"2:25 this must be a name, not an integer", "2:28 this must be a name, not a boolean"}));
  EXPECT_EQ(faults_of("router_class = 'SimpleDispatchRouter'\ntransport_names = 'a'\nexposed_names = ['x']\n"
                      "routing_mappings = {}\n"),
            Lines{"2:19 transport_names must be an array of transports' names, not a string"});
  EXPECT_EQ(faults_of(lists("", "'x'")), Lines{"2:19 transport_names is empty: a dispatcher needs a transport"});
}

TEST(Names, DeadLettersAreReserved) {
  const std::string reserved = "\"dead_letters\" is reserved: every broker has it, and it is not listed";
  EXPECT_EQ(faults_of(lists("'a', 'dead_letters'", "'x'")), Lines{"2:25 " + reserved});
  EXPECT_EQ(faults_of(lists("'a'", "'dead_letters'")), Lines{"3:18 " + reserved});
  const std::string taken = "is an endpoint already: dead letters need a name of their own, and it is not listed";
  EXPECT_EQ(faults_of(lists("'a'", "'x'") + "dead_letters = 'x'"), Lines{"5:16 \"x\" " + taken});
  EXPECT_EQ(faults_of(lists("'a'", "'x'") + "dead_letters = ''"), Lines{"5:16 a name must not be empty"});
  EXPECT_EQ(faults_of(lists("'a'", "'x'") + "dead_letters = 1"),
            Lines{"5:16 dead_letters must be a name, not an integer"});
  EXPECT_EQ(faults_of(lists("'a'", "'x'") + "dead_letters = 'dead_letters'"), Lines{}) << "the one that is shared";
}

TEST(Relays, AreTransportsOfTheDispatcher) {
  EXPECT_EQ(faults_of(lists("'carrier', 'b'", "'x'") + "relays = ['carier', 'x', '', 'b', 'b', 3]"),
            (Lines{"5:11 \"carier\" is none of this dispatcher's transports; did you mean \"carrier\"?",
                   "5:21 \"x\" is an application; only transports can be relays", "5:26 a name must not be empty",
                   "5:35 \"b\" is listed twice", "5:40 this must be a name, not an integer"}));
  EXPECT_EQ(faults_of(lists("'a'", "'x'") + "relays = 'a'"),
            Lines{"5:10 relays must be an array of transports' names, not a string"});
}

TEST(CommonKeys, WantTheRightValues) {
  EXPECT_EQ(faults_of(sound + "name = 'a/b'\nreply_tracking = 'yes'\nmiddleware = {}\n"),
            (Lines{"5:8 \"a/b\" is no legal name: control characters and '/' must not be in it",
                   "6:18 reply_tracking must be true or false, not a string",
                   "7:14 middleware must be an array, not a table"}));
  for (const char* value : {"'soon'", "''", "'12x'", "' 1'"}) {
    const Lines lines = faults_of(sound + "expire_routing_memory = " + value);
    ASSERT_EQ(lines.size(), 1u) << value;
    EXPECT_TRUE(lines[0].starts_with("5:25 expire_routing_memory must be a number of seconds, not \"")) << lines[0];
  }
  EXPECT_EQ(faults_of(sound + "expire_routing_memory = -1"),
            Lines{"5:25 expire_routing_memory must lie between 0 and 315360000, and is -1"});
  EXPECT_EQ(faults_of(sound + "expire_routing_memory = '-1'"),
            Lines{"5:25 expire_routing_memory must lie between 0 and 315360000, and is -1"});
  EXPECT_EQ(faults_of(sound + "expire_routing_memory = 1.5"),
            Lines{"5:25 expire_routing_memory must be an integer, not a float"});
}

TEST(RouterClass, MustBeOneThatThereIs) {
  const std::string rest = sound.substr(sound.find('\n') + 1);
  const Lines unknown = faults_of("router_class = 'SimpleDispatchRoutr'\n" + rest);
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_TRUE(
      unknown[0].starts_with("1:16 there is no router \"SimpleDispatchRoutr\"; there are SimpleDispatchRouter,"))
      << unknown[0];
  EXPECT_TRUE(unknown[0].ends_with("; did you mean \"SimpleDispatchRouter\"?")) << unknown[0];
  EXPECT_EQ(faults_of("router_class = 7\n" + rest), Lines{"1:16 router_class must be a router's name, not an integer"});
  EXPECT_EQ(faults_of(rest), Lines{"1:1 router_class is missing"});
}

TEST(Missing, IsReportedAtTheTableThatLacksIt) {
  EXPECT_EQ(faults_of(""), Lines{"1:1 router_class is missing"});
  EXPECT_EQ(
      faults_of("# nothing else\n  router_class = 'SimpleDispatchRouter'\n"),
      (Lines{"2:3 transport_names is missing", "2:3 exposed_names is missing", "2:3 routing_mappings is missing"}));
  EXPECT_EQ(faults_of("\n [[dispatcher]]\nrouter_class = 'SimpleDispatchRouter'\n[[dispatcher]]\n"),
            (Lines{"2:2 transport_names is missing", "2:2 exposed_names is missing", "2:2 routing_mappings is missing",
                   "4:1 router_class is missing"}));
}

TEST(StrayKeys, AreNamedWithTheirNearest) {
  EXPECT_EQ(faults_of(sound + "replytracking = true\nxyzzy = 1\n[endpoint_default]\n[transport_mapping]\n"),
            (Lines{"5:1 unknown key \"replytracking\"; did you mean \"reply_tracking\"?", "6:1 unknown key \"xyzzy\"",
                   "7:2 unknown key \"endpoint_default\"; did you mean \"endpoint_defaults\"?",
                   "8:2 unknown key \"transport_mapping\"; did you mean \"transport_mappings\"?"}));
}

TEST(StrayKeys, OfAnotherRouterSayWhose) {
  EXPECT_EQ(faults_of(sound + "fallback_application = 'x'\n[toaddr_mappings]\n[redirect_inbound]\n"),
            (Lines{"5:1 fallback_application is a key of ContentKeywordRouter; SimpleDispatchRouter does not read it",
                   "6:2 toaddr_mappings is a key of ToAddrRouter; SimpleDispatchRouter does not read it",
                   "7:2 redirect_inbound is a key of RedirectRouter or RedirectOutboundRouter; SimpleDispatchRouter "
                   "does not read it"}));
}

TEST(StrayKeys, OfAnotherTableSayWhere) {
  EXPECT_EQ(faults_of(sound + "heartbeat_ms = 1\nmax_bytes = 1\n"),
            (Lines{"5:1 unknown key \"heartbeat_ms\": it belongs in [broker]",
                   "6:1 unknown key \"max_bytes\": it belongs in [endpoint_defaults] or [endpoints.NAME]"}));
  EXPECT_EQ(faults_of("[[dispatcher]]\n" + sound + "endpoint_defaults = {}\n"),
            Lines{"6:1 unknown key \"endpoint_defaults\" in a dispatcher: it belongs at the top of the file"});
}

std::string dispatcher(const std::string& transport, const std::string& application, const std::string& more = "") {
  return "[[dispatcher]]\nrouter_class = 'SimpleDispatchRouter'\ntransport_names = ['" + transport +
         "']\nexposed_names = ['" + application + "']\nrouting_mappings = {" + transport + " = '" + application +
         "'}\n" + more;
}

TEST(Dispatchers, HaveNamesOfTheirOwn) {
  EXPECT_EQ(faults_of(dispatcher("t", "a") + dispatcher("u", "b")), Lines{});
  EXPECT_EQ(faults_of(dispatcher("t", "a") + dispatcher("a", "b")), Lines{}) << "chains_test.cpp";
  EXPECT_EQ(faults_of(dispatcher("t", "a", "name = 'n'\n") + dispatcher("u", "b", "name = 'n'\n")),
            Lines{"12:8 there are two dispatchers with the name \"n\""});
  EXPECT_EQ(faults_of(dispatcher("t", "a") + dispatcher("u", "b", "name = 'dispatcher1'\n")),
            Lines{"11:8 there are two dispatchers with the name \"dispatcher1\""});
}

TEST(Dispatchers, HaveDeadLettersOfTheirOwn) {
  EXPECT_EQ(
      faults_of(dispatcher("t", "a", "dead_letters = 'lost'\n") + dispatcher("u", "b", "dead_letters = 'lost'\n")),
      Lines{"12:16 \"lost\" is an endpoint already: dead letters need a name of their own, and it is not listed"});
  EXPECT_EQ(faults_of(dispatcher("t", "a", "dead_letters = 'b'\n") + dispatcher("u", "b")),
            Lines{"6:16 \"b\" is an endpoint already: dead letters need a name of their own, and it is not listed"});
}

TEST(Dispatchers, DoNotMixWithOneAtTheTop) {
  EXPECT_EQ(
      faults_of("transport_names = ['s']\nworker_name = 'x'\nlanes = 0\nbrokr = 1\n" + dispatcher("t", "a")),
      (Lines{"1:1 transport_names belongs in a dispatcher: in a file with [[dispatcher]] tables, into one of those",
             "3:1 unknown key \"lanes\": it belongs in [broker]",
             "4:1 unknown key \"brokr\"; did you mean \"broker\"?"}));
}

TEST(Dispatchers, AreTablesInAnArray) {
  EXPECT_EQ(faults_of("[dispatcher]\nrouter_class = 'SimpleDispatchRouter'\n"),
            Lines{"1:1 a dispatcher's table has two brackets: [[dispatcher]]"});
  EXPECT_EQ(faults_of("dispatcher = []\n"), Lines{"1:14 there is no dispatcher"});
  EXPECT_EQ(faults_of("dispatcher = [1]\n"), Lines{"1:15 this must be a table, not an integer"});
  EXPECT_EQ(faults_of("dispatcher = 'x'\n"),
            Lines{"1:14 dispatcher must be one or more [[dispatcher]] tables, not a string"});
}

TEST(Everything, IsReportedAtOnceAndNothingStarts) {
  const ConfigurationResult result = read(
      "router_class = 'SimpleDispatchRouter'\ntransport_names = ['sms', 'sms']\nexposed_names = ['a', '']\nodd = 1\n"
      "[routing_mappings]\nsmss = 'a'\nsms = []\n[broker]\nlanes = 65\nworker_name = 1\n");
  EXPECT_EQ(result.configuration, nullptr);
  EXPECT_EQ(as_lines(result.faults),
            (Lines{"2:27 \"sms\" is listed twice", "3:23 a name must not be empty", "4:1 unknown key \"odd\"",
                   "6:1 \"smss\" is not in transport_names; did you mean \"sms\"?",
                   "7:7 the list of applications for \"sms\" is empty",
                   "9:9 lanes must lie between 0 and 64, and is 65", "10:1 unknown key \"worker_name\" in [broker]"}));
}

}  // namespace
}  // namespace signalbox::testing
