// Names that two dispatchers share: joints, or faults.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

std::string dispatcher(const std::string& name, const std::string& transports, const std::string& applications,
                       const std::string& routes) {
  return "[[dispatcher]]\nname = '" + name + "'\nrouter_class = 'SimpleDispatchRouter'\ntransport_names = [" +
         transports + "]\nexposed_names = [" + applications + "]\nrouting_mappings = {" + routes + "}\n";
}

const EndpointSettings* side(const Settings& settings, const std::string& name, Role role) {
  for (const EndpointSettings& endpoint : settings.endpoints)
    if (endpoint.name == name && endpoint.role == role) return &endpoint;
  return nullptr;
}

std::unique_ptr<Configuration> accepted(const std::string& toml) {
  ConfigurationResult result = read(toml);
  EXPECT_EQ(as_lines(result.faults), Lines());
  return std::move(result.configuration);
}

TEST(Chains, AJointHasASideInEachDispatcher) {
  const auto configuration = accepted(dispatcher("first", "'sms'", "'middle'", "sms = 'middle'") +
                                      dispatcher("second", "'middle'", "'app'", "middle = 'app'"));
  const Settings& settings = configuration->settings;
  const EndpointSettings* exposed = side(settings, "middle", Role::application);
  const EndpointSettings* transport = side(settings, "middle", Role::transport);
  ASSERT_TRUE(exposed != nullptr && transport != nullptr && exposed->joint && transport->joint);
  EXPECT_EQ(&settings.endpoints[*exposed->joint], transport);
  EXPECT_EQ(&settings.endpoints[*transport->joint], exposed);
  EXPECT_EQ(exposed->dispatcher, 0u);
  EXPECT_EQ(transport->dispatcher, 1u);
}

TEST(Chains, TheOrderOfTheDispatchersDoesNotMatter) {
  const auto configuration = accepted(dispatcher("second", "'middle'", "'app'", "middle = 'app'") +
                                      dispatcher("first", "'sms'", "'middle'", "sms = 'middle'"));
  EXPECT_TRUE(side(configuration->settings, "middle", Role::transport)->joint);
}

TEST(Chains, ACycleIsAFaultAtTheJointThatClosesIt) {
  EXPECT_EQ(faults_of(dispatcher("one", "'b'", "'a'", "b = 'a'") + dispatcher("two", "'a'", "'b'", "a = 'b'")),
            Lines{"11:18 the joint \"b\" closes a cycle: \"two\" -> \"one\" -> \"two\""});
  EXPECT_EQ(faults_of(dispatcher("one", "'c'", "'a'", "c = 'a'") + dispatcher("two", "'a'", "'b'", "a = 'b'") +
                      dispatcher("three", "'b'", "'c'", "b = 'c'")),
            Lines{"17:18 the joint \"c\" closes a cycle: \"three\" -> \"one\" -> \"two\" -> \"three\""});
}

TEST(Chains, TwoWaysToOneDispatcherAreNoCycle) {
  EXPECT_TRUE(faults_of(dispatcher("top", "'sms'", "'left', 'right'", "sms = ['left', 'right']") +
                        dispatcher("bottom", "'left', 'right'", "'app'", "left = 'app', right = 'app'"))
                  .empty());
}

// As many dispatchers in a row, each joined with the next.
std::string row_of(size_t length) {
  std::string toml;
  for (size_t i = 0; i < length; ++i) {
    const std::string from = "j" + std::to_string(i);
    const std::string to = "j" + std::to_string(i + 1);
    std::string name = "d";
    toml += dispatcher(name.append(std::to_string(i)), "'" + from + "'", "'" + to + "'", from + " = '" + to + "'");
  }
  return toml;
}

TEST(Chains, AChainHasABound) {
  EXPECT_EQ(faults_of(row_of(limits::chained_dispatchers_max)), Lines());
  const Lines faults = faults_of(row_of(limits::chained_dispatchers_max + 3));
  EXPECT_EQ(faults, Lines{"388:20 the joint \"j64\" makes a chain of more than 64 dispatchers"});
  EXPECT_EQ(faults_of(row_of(5000)), faults) << "however long it is";
}

TEST(Chains, TheLongestWayCounts) {
  const std::string shorter =
      dispatcher("beside", "'x'", "'j64'", "x = 'j64'") + dispatcher("last", "'j64', 'y'", "'app'", "j64 = 'app'");
  EXPECT_EQ(faults_of(shorter), Lines());
  EXPECT_EQ(faults_of(dispatcher("last", "'y', 'j64'", "'app'", "y = 'app'") + row_of(64) +
                      dispatcher("beside", "'x'", "'y'", "x = 'y'")),
            Lines{"389:18 the joint \"j64\" makes a chain of more than 64 dispatchers"});
}

TEST(Chains, OtherwiseANameBelongsToOneDispatcher) {
  EXPECT_EQ(
      faults_of(dispatcher("one", "'sms'", "'a'", "sms = 'a'") + dispatcher("two", "'sms'", "'b'", "sms = 'b'")),
      Lines{"10:20 \"sms\" is a transport of another dispatcher too: only what one exposes and the other has for a "
            "transport joins the two"});
  EXPECT_EQ(
      faults_of(dispatcher("one", "'sms'", "'a'", "sms = 'a'") + dispatcher("two", "'ussd'", "'a'", "ussd = 'a'")),
      Lines{"11:18 \"a\" is an application of another dispatcher too: only what one exposes and the other has for "
            "a transport joins the two"});
  EXPECT_EQ(faults_of(dispatcher("one", "'sms'", "'a'", "sms = 'a'") + dispatcher("two", "'a'", "'b'", "a = 'b'") +
                      dispatcher("three", "'a'", "'c'", "a = 'c'")),
            Lines{"16:20 \"a\" joins two other dispatchers already: a name can join two, no more"});
}

TEST(Chains, AJointHasNothingToSet) {
  EXPECT_EQ(faults_of(dispatcher("one", "'sms'", "'a'", "sms = 'a'") + dispatcher("two", "'a'", "'b'", "a = 'b'") +
                      "[endpoints.a]\nmax_messages = 10\n"),
            Lines{"13:12 \"a\" joins two dispatchers: it has no queue, and so nothing to set"});
}

}  // namespace
}  // namespace signalbox::testing
