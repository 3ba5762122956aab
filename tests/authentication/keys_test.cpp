// Keys as text and in files. libzmq's own Z85 is the oracle.
#include "protocol/keys.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <random>
#include <zmq.hpp>

#include "tests/broker/harness.hpp"

namespace signalbox {
namespace {

using test::unique_path;

// A key as the manual of zmq_curve shows it.
const std::string known = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

std::string file_with(const std::string& text, mode_t mode = 0600) {
  const std::string path = unique_path(".key");
  std::ofstream(path) << text;
  chmod(path.c_str(), mode);
  return path;
}

TEST(Keys, AreWrittenAsLibzmqWritesThem) {
  std::mt19937 random(7);
  for (int round = 0; round < 1000; ++round) {
    std::string key(key_bytes, '\0');
    for (char& byte : key) byte = static_cast<char>(random());
    char expected[key_characters + 1];
    ASSERT_NE(zmq_z85_encode(expected, reinterpret_cast<const uint8_t*>(key.data()), key.size()), nullptr);
    ASSERT_EQ(text_of_key(key), expected);
    ASSERT_EQ(key_from_text(expected), key);
  }
  EXPECT_EQ(text_of_key(key_from_text(known).value()), known);
}

TEST(Keys, AreNothingElse) {
  EXPECT_FALSE(key_from_text(""));
  EXPECT_FALSE(key_from_text(known.substr(1)));
  EXPECT_FALSE(key_from_text(known + "a"));
  for (const char wrong : {' ', '"', '\'', ',', ';', '\\', '_', '`', '|', '~', '\0', '\n', '\x80'}) {
    std::string text = known;
    text[17] = wrong;
    EXPECT_FALSE(key_from_text(text)) << wrong;
  }
  // Five characters that stand for more than four bytes hold.
  EXPECT_TRUE(key_from_text("%nSc0" + known.substr(5)));
  EXPECT_FALSE(key_from_text("%nSc1" + known.substr(5)));
  EXPECT_FALSE(key_from_text("#####" + known.substr(5)));
}

TEST(Keys, AreReadFromFiles) {
  EXPECT_EQ(read_key_file(file_with(known + "\n"), true).text, known);
  EXPECT_EQ(read_key_file(file_with("# of the gateway\n\n  " + known + "\r\n"), true).text, known);
  EXPECT_EQ(read_key_file(file_with(known, 0640), true).text, known) << "the group may read it";
  EXPECT_EQ(read_key_file(file_with(known, 0644), false).text, known) << "it is public";
  const std::string hash_first = "#" + known.substr(1);
  ASSERT_FALSE(key_from_text(hash_first)) << "what the remark below is";
  EXPECT_EQ(read_key_file(file_with(hash_first + "\n" + known), true).text, known);
}

TEST(Keys, FilesWithoutOneSaySo) {
  const std::string secret = "this is no key but may be somebody's secret";
  const std::string texts[] = {"", "\n\n", secret, "# only a remark", known + "x"};
  for (const std::string& text : texts) {
    const KeyFile file = read_key_file(file_with(text), true);
    EXPECT_EQ(file.text, "");
    EXPECT_NE(file.fault.find("holds no key"), std::string::npos) << file.fault;
    EXPECT_EQ(file.fault.find("somebody"), std::string::npos) << "a fault quotes no secret";
  }
  EXPECT_EQ(read_key_file("/nowhere/at/all", true).fault, "cannot be read: No such file or directory");
  EXPECT_EQ(read_key_file("/", false).fault, "is no file");
  for (const mode_t mode : {0644, 0604, 0602}) {
    const KeyFile file = read_key_file(file_with(known, mode), true);
    EXPECT_EQ(file.text, "");
    EXPECT_NE(file.fault.find("every user of this host"), std::string::npos) << file.fault;
  }
}

TEST(Keys, SecretsAreKnownToBeGiven) {
  EXPECT_FALSE(SecretKey());
  const std::string bytes = key_from_text(known).value();
  SecretKey secret(bytes);
  EXPECT_TRUE(secret);
  const SecretKey copy = secret;
  EXPECT_EQ(copy.bytes(), bytes);
  secret = SecretKey();
  EXPECT_FALSE(secret);
  EXPECT_EQ(secret.bytes(), std::string(key_bytes, '\0'));
}

}  // namespace
}  // namespace signalbox
