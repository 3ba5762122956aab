// `signalbox keygen` as a shell user meets it, and a broker that is configured with what it wrote.
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "tests/authentication/keyed_broker.hpp"
#include "tests/program/process.hpp"

namespace signalbox {
namespace {

using test::null_device;
using test::Process;
using test::unique_path;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

bool belong_together(const std::string& public_text, const std::string& secret_text) {
  const auto secret = key_from_text(secret_text);
  return secret && public_key_of(SecretKey(*secret)) == key_from_text(public_text);
}

TEST(Keygen, PrintsAPair) {
  Process keygen({SIGNALBOX_PROGRAM, "keygen"}, null_device());
  ASSERT_EQ(keygen.exit_code(), 0) << keygen.errors();
  const std::string& text = keygen.output();
  const std::string begin = "public_key = \"";
  const std::string middle = "\"\nsecret_key = \"";
  ASSERT_EQ(text.size(), begin.size() + middle.size() + 2 * key_characters + 2) << text;
  EXPECT_TRUE(belong_together(text.substr(begin.size(), key_characters),
                              text.substr(begin.size() + key_characters + middle.size(), key_characters)));
}

TEST(Keygen, WritesTwoFilesAndNeverOverOne) {
  const std::string name = unique_path("");
  Process keygen({SIGNALBOX_PROGRAM, "keygen", "-o", name}, null_device());
  ASSERT_EQ(keygen.exit_code(), 0) << keygen.errors();
  const std::string secret = text_of(name + ".secret");
  const std::string shown = text_of(name + ".public");
  ASSERT_EQ(secret.size(), key_characters + 1);
  ASSERT_EQ(shown.size(), key_characters + 1);
  EXPECT_TRUE(belong_together(shown.substr(0, key_characters), secret.substr(0, key_characters)));
  EXPECT_EQ(mode_of(name + ".secret"), 0600u);
  EXPECT_EQ(keygen.output(), "public_key = \"" + shown.substr(0, key_characters) + "\"\n") << "and not the secret";

  Process again({SIGNALBOX_PROGRAM, "keygen", "-o", name}, null_device());
  EXPECT_EQ(again.exit_code(), 1);
  EXPECT_EQ(again.errors(), name + ".secret: is there already; keys are never overwritten\n");
  EXPECT_EQ(text_of(name + ".secret"), secret);
  EXPECT_EQ(text_of(name + ".public"), shown);

  unlink((name + ".secret").c_str());
  Process half({SIGNALBOX_PROGRAM, "keygen", "-o", name}, null_device());
  EXPECT_EQ(half.exit_code(), 1) << "the public one is there";
  EXPECT_NE(access((name + ".secret").c_str(), F_OK), 0) << "no secret without its public key is left";
  EXPECT_EQ(text_of(name + ".public"), shown);
}

TEST(Keygen, WhatItWroteStartsABroker) {
  const std::string folder = unique_path("");
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  Process keygen({SIGNALBOX_PROGRAM, "keygen", "-o", folder + "/broker"}, null_device());
  ASSERT_EQ(keygen.exit_code(), 0) << keygen.errors();
  const std::string file = folder + "/signalbox.toml";
  std::ofstream(file) << test::configuration_text(
      {"tcp://*:*"}, "secret_key_file = 'broker.secret'",
      test::peer_table("logic", make_key_pair(), "'application:my_application'"));
  Process broker({SIGNALBOX_PROGRAM, "serve", file}, null_device());
  EXPECT_TRUE(broker.says("listening")) << broker.errors();
  EXPECT_EQ(broker.errors().find("insecure"), std::string::npos) << broker.errors();
  broker.signal(SIGTERM);
  EXPECT_EQ(broker.exit_code(), 0) << broker.errors();
  EXPECT_EQ(broker.errors().find(text_of(folder + "/broker.secret").substr(0, key_characters)), std::string::npos);

  chmod((folder + "/broker.secret").c_str(), 0644);
  Process careless({SIGNALBOX_PROGRAM, "serve", file}, null_device());
  EXPECT_EQ(careless.exit_code(), 2);
  EXPECT_NE(careless.errors().find("every user of this host may read or write it"), std::string::npos)
      << careless.errors();
}

#ifdef SIGNALBOX_NO_CURVE
TEST(Keygen, ALibzmqWithoutCurveIsAClearFault) {
  const std::string words = "this libzmq was built without CURVE (libsodium)";
  const std::vector<std::string> start = {"env", "LD_PRELOAD=" SIGNALBOX_NO_CURVE, SIGNALBOX_PROGRAM};
  const auto run = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> all = start;
    all.insert(all.end(), arguments.begin(), arguments.end());
    Process program(all, null_device());
    EXPECT_NE(program.exit_code(), 0);
    EXPECT_NE(program.errors().find(words), std::string::npos) << program.errors();
  };
  const test::KeyRing ring;
  const std::string file = unique_path(".toml");
  std::ofstream(file) << test::keyed_configuration(ring);
  const std::string secret = unique_path(".secret");
  std::ofstream(secret) << ring.logic.secret_key;
  chmod(secret.c_str(), 0600);
  run({"keygen"});
  run({"serve", file});
  run({"worker", "--application", "a", "--secret-key-file", secret, "--server-key", ring.broker.public_key});
}
#endif

}  // namespace
}  // namespace signalbox
