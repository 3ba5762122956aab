// `plugins` in [broker]: what is loaded, what is refused, and where the faults stand. The libraries are those of
// libraries/, each built for one case or a few.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "broker/check.hpp"
#include "broker/configuration.hpp"
#include "broker/setting_builder.hpp"
#include "routers/plugin.hpp"

namespace signalbox::testing {
namespace {

using Lines = std::vector<std::string>;
const std::string libraries = SIGNALBOX_LIBRARIES;

// A dispatcher with that router, `more` in it as line 4, and a list of plugins that begins at 6:12.
std::string file_with(std::string_view router, std::string_view more, std::string_view plugins) {
  std::string text = "router_class = '" + std::string(router) + "'\ntransport_names = ['sms']\n";
  text.append("exposed_names = ['survey']\n").append(more).append("\n[broker]\nplugins = [").append(plugins);
  return text.append("]\n");
}

ConfigurationResult read(const std::string& toml, const std::string& folder = libraries) {
  return read_configuration(toml, RouterRegistry(), folder);
}

Lines lines_of(const std::vector<Fault>& faults) {
  Lines lines;
  for (const Fault& fault : faults) {
    lines.push_back(std::to_string(fault.where.line) + ':' + std::to_string(fault.where.column) + ' ' + fault.text);
  }
  return lines;
}

// The faults of a file that loads these and uses nothing of theirs; each text without the words that all begin with.
Lines faults_of(std::string_view plugins) {
  Lines lines =
      lines_of(read(file_with("SimpleDispatchRouter", "routing_mappings = {sms = 'survey'}", plugins)).faults);
  for (std::string& line : lines) {
    const std::string common = "the plugin \"" + libraries + '/';
    const size_t at = line.find(common);
    if (at != std::string::npos) line = line.substr(0, at) + '"' + line.substr(at + common.size());
  }
  return lines;
}

std::string bytes_of(const std::string& library) {
  std::ifstream stream(libraries + '/' + library, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// A library of these bytes, beside the others.
std::string write_library(const std::string& name, std::string_view bytes) {
  std::ofstream(libraries + '/' + name, std::ios::binary).write(bytes.data(), std::ssize(bytes));
  return "'" + name + "'";
}

TEST(Plugins, BringRoutersThatTheFileMayUse) {
  for (const char* router : {"GreetingRouter", "WelcomeRouter", "my_project.GreetingRouter"}) {
    const auto result = read(file_with(router, "greeting = 'good morning'", "'libsound.so'"));
    ASSERT_NE(result.configuration, nullptr) << lines_of(result.faults).front();
    EXPECT_NE(routes_table(*result.configuration).find("good morning"), std::string::npos);
    EXPECT_EQ(result.configuration->plugins, Lines{libraries + "/libsound.so"});
  }
}

TEST(Plugins, RoutersDecide) {
  const auto result = read(file_with("GreetingRouter", "greeting = 'good morning'", "'libsound.so'"));
  ASSERT_NE(result.configuration, nullptr);
  const Settings& settings = result.configuration->settings;
  MessageView message;
  const std::string bytes("\x80", 1);
  ASSERT_EQ(message.scan(bytes), Scan::malformed) << "what is in it does not matter to this router";
  struct NobodyThere final : Surroundings {
    bool has_live_worker(EndpointId) const override { return false; }
  } const broker;
  const Incoming incoming{.message = message,
                          .direction = Direction::inbound,
                          .transport_name = {},
                          .transport = {},
                          .followed = {},
                          .now = {},
                          .broker = broker};
  Router& router = *settings.dispatchers.front().router;
  Decision decision;
  for (int round = 0; round < 3; ++round) {
    decision.clear();
    router.inbound(incoming, decision);
    ASSERT_EQ(decision.targets().size(), 1u);
    EXPECT_EQ(settings.endpoints[decision.targets().front().endpoint].name, "survey");
    ASSERT_EQ(decision.edits().size(), 1u);
    EXPECT_EQ(decision.edits().front().value,
              "\xac"
              "good morning");
  }
  decision.clear();
  router.outbound(incoming, decision);
  EXPECT_EQ(decision.reason(), "nobody of that name");
}

TEST(Plugins, KeysOfTheirOwnAreCheckedLikeAllOthers) {
  EXPECT_EQ(lines_of(read(file_with("GreetingRouter", "greeting = 7", "'libsound.so'")).faults),
            Lines{"4:12 greeting must be a string"});
  EXPECT_EQ(lines_of(read(file_with("GreetingRouter", "greetin = 'x'", "'libsound.so'")).faults),
            (Lines{"1:1 greeting is missing", "4:1 unknown key \"greetin\"; did you mean \"greeting\"?"}));
  EXPECT_EQ(lines_of(read(file_with("SimpleDispatchRouter", "routing_mappings = {sms = 'survey'}\ngreeting = 'x'",
                                    "'libsound.so'"))
                         .faults),
            Lines{"5:1 greeting is a key of GreetingRouter or WelcomeRouter; SimpleDispatchRouter does not read it"});
  const Lines misspelt = lines_of(read(file_with("GretingRouter", "greeting = 'x'", "'libsound.so'")).faults);
  ASSERT_EQ(misspelt.size(), 1u);
  EXPECT_NE(misspelt.front().find("did you mean \"GreetingRouter\"?"), std::string::npos) << misspelt.front();
}

TEST(Plugins, PathsStartAtTheFile) {
  const std::string file = libraries + "/relative.toml";
  std::ofstream(file) << file_with("GreetingRouter", "greeting = 'x'", "'../libraries/./libsound.so'");
  const RouterRegistry registry;
  const auto result = read_configuration_file(file, registry);
  ASSERT_NE(result.configuration, nullptr) << lines_of(result.faults).front();
  EXPECT_EQ(result.configuration->plugins, Lines{libraries + "/libsound.so"});
  EXPECT_EQ(registry.find("GreetingRouter"), nullptr) << "the registry handed in is its owner's";

  EXPECT_NE(read(file_with("GreetingRouter", "greeting = 'x'", "'" + libraries + "/libsound.so'"), "/").configuration,
            nullptr);
  EXPECT_EQ(
      lines_of(
          read(file_with("SimpleDispatchRouter", "routing_mappings = {sms = 'survey'}", "'libm.so.6'"), "/").faults),
      Lines{"6:12 the plugin \"/libm.so.6\" does not exist"})
      << "a name alone is not searched for";
}

TEST(Plugins, BelongToAConfigurationBuiltInCodeToo) {
  const auto built = [](const std::string& path) {
    return read_configuration(table({{"router_class", "GreetingRouter"},
                                     {"transport_names", list({"sms"})},
                                     {"exposed_names", list({"survey"})},
                                     {"greeting", "x"},
                                     {"broker", table({{"plugins", list({path})}})}}),
                              RouterRegistry());
  };
  EXPECT_NE(built(libraries + "/libsound.so").configuration, nullptr);
  const Lines faults = lines_of(built("/nowhere.so").faults);
  EXPECT_NE(std::ranges::find(faults, "0:0 broker.plugins[0]: the plugin \"/nowhere.so\" does not exist"),
            faults.end());
}

TEST(Plugins, ListIsAnArrayOfPaths) {
  EXPECT_EQ(faults_of(""), Lines{});
  EXPECT_EQ(faults_of("7, ''"), (Lines{"6:12 this must be a path, not an integer", "6:15 \"\" is no path"}));
  EXPECT_EQ(faults_of("\"libsound.so\\u0000\""), Lines{"6:12 \"libsound.so\\x00\" is no path"});
  EXPECT_EQ(faults_of("'libsound.so', 'x/../libsound.so'"), Lines{"6:27 \"libsound.so\" is listed twice"});
}

TEST(Plugins, FileThatIsNoneIsAFaultAtItsPath) {
  EXPECT_EQ(faults_of("'libnowhere.so'"), Lines{"6:12 \"libnowhere.so\" does not exist"});
  EXPECT_EQ(faults_of("'../libraries'"), Lines{"6:12 the plugin \"" + libraries + "\" is no file"});
  EXPECT_EQ(faults_of(write_library("text.so", "not a library")), Lines{"6:12 \"text.so\" is no shared library"});
  EXPECT_EQ(faults_of(write_library("empty.so", "")), Lines{"6:12 \"empty.so\" is no shared library"});
  EXPECT_EQ(faults_of("'libno_plugin.so'"),
            Lines{"6:12 \"libno_plugin.so\" is no router plugin: it lacks the symbol signalbox_plugin_stamp, which "
                  "SIGNALBOX_ROUTER_PLUGIN of routers/plugin.hpp defines"});
  EXPECT_EQ(faults_of("'libnowhere.so', 'text.so'").size(), 2u) << "all faults at once";
}

TEST(Plugins, LibraryForAnotherBrokerIsRefusedBeforeItsCodeRuns) {
  const std::string version = std::to_string(router_interface_version);
  EXPECT_EQ(faults_of("'libother_version.so'"),
            Lines{"6:12 \"libother_version.so\" was built for version " + std::to_string(router_interface_version + 1) +
                  " of the router interface, and this broker has version " + version +
                  ": build it again with this broker's headers"});
  EXPECT_EQ(faults_of("'libother_library.so'"),
            Lines{"6:12 \"libother_library.so\" was built with another standard library (Libstdc++) than this broker "
                  "(libstdc++): build it again with that one"});
  EXPECT_EQ(faults_of("'libother_layout.so'"),
            Lines{"6:12 \"libother_layout.so\" was built with headers whose types differ from this broker's, although "
                  "both have version " +
                  version + " of the router interface: build it again with this broker's headers"});
}

TEST(Plugins, LibraryForAnotherMachineIsRefused) {
  std::string bytes = bytes_of("libsound.so");
  ASSERT_GT(bytes.size(), 20u);
  bytes[18] = static_cast<char>(bytes[18] ^ 0x7f);  // e_machine
  EXPECT_EQ(faults_of(write_library("machine.so", bytes)),
            Lines{"6:12 \"machine.so\" is no shared library for this kind of machine"});
}

TEST(Plugins, NoByteOfABrokenFileIsBelieved) {
  const std::string whole = bytes_of("libno_plugin.so");
  ASSERT_GT(whole.size(), 1000u);
  for (size_t length = 0; length < whole.size(); length += 1 + length / 8) {
    EXPECT_EQ(faults_of(write_library("cut.so", std::string_view(whole).substr(0, length))).size(), 1u) << length;
  }
  // Every byte of its head and of its table of sections, which is the last thing in the file. That it is refused in any
  // case says that none of its code has run.
  for (const size_t from : {size_t{16}, whole.size() - 64 * 8}) {
    for (size_t at = from; at < std::min(from + 64 * 8, whole.size()); at += from == 16 ? 1 : 5) {
      if (from == 16 && at >= 64) break;
      std::string bytes = whole;
      bytes[at] = static_cast<char>(~bytes[at]);
      EXPECT_EQ(faults_of(write_library("bent.so", bytes)).size(), 1u) << at;
    }
  }
}

TEST(Plugins, WhatALibrarySaysOfItselfMayBeAtFault) {
  EXPECT_EQ(faults_of("'liblisting_throws.so'"),
            Lines{"6:12 \"liblisting_throws.so\" cannot say which routers it has: no licence"});
  EXPECT_EQ(faults_of("'liblisting_nothing.so'"), Lines{"6:12 \"liblisting_nothing.so\" brings no router"});
  EXPECT_EQ(
      faults_of("'libfaulty.so'"),
      (Lines{"6:12 \"libfaulty.so\" brings a router \"SimpleDispatchRouter\", and there is one already",
             "6:12 \"libfaulty.so\" brings a router without a name",
             "6:12 \"libfaulty.so\" brings a router \"my.Router\", whose name cannot be found: what stands before "
             "a dot is ignored",
             "6:12 \"libfaulty.so\" brings a router \"UnmadeRouter\" that cannot be made"}));
  EXPECT_EQ(faults_of("'libsound.so', 'libwhole.so'"),
            (Lines{"6:27 \"libwhole.so\" brings a router \"GreetingRouter\", and there is one already",
                   "6:27 \"libwhole.so\" brings a router \"WelcomeRouter\", and there is one already"}));
}

// A router of the program's own, for the faults that do not need a library.
RouterClass silent_router() {
  return {.name = "HostsRouter", .make = [](RouterSetup&) { return std::unique_ptr<Router>(); }, .keys = {}};
}

TEST(Plugins, RouterThatCannotBeMadeIsAFaultAtItsLibrary) {
  const auto last_fault = [](std::string_view router) {
    Lines lines = lines_of(read(file_with(router, "", "'libsound.so', 'libfaulty.so'")).faults);
    std::erase_if(lines, [](const std::string& line) { return line.find("brings a router") != std::string::npos; });
    return lines.empty() ? "" : lines.back();
  };
  EXPECT_EQ(last_fault("ThrowingRouter"),
            "6:27 ThrowingRouter cannot be made for \"dispatcher\", it throws: the moon is full");
  EXPECT_EQ(last_fault("NumberRouter"),
            "6:27 NumberRouter cannot be made for \"dispatcher\", it throws: something that is no std::exception");
  EXPECT_EQ(last_fault("ListlessRouter"),
            "6:27 ListlessRouter cannot be made for \"dispatcher\", it throws: the list is lost");

  RouterRegistry registry;
  registry.add(silent_router());
  EXPECT_EQ(lines_of(read_configuration(file_with("HostsRouter", "", ""), registry).faults),
            Lines{"1:1 HostsRouter makes no router, and does not say why"});
}

}  // namespace
}  // namespace signalbox::testing
