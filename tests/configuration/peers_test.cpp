// Keys in the configuration: the broker's own, [[peer]], and every fault of theirs.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/configuration/reading.hpp"

namespace signalbox::testing {
namespace {

const std::string one_key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const std::string other_key = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
const std::string secret_text = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const std::string public_text = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";  // of the same pair

// `sound`, a key for the broker in line 6, and peers from line 7 on.
std::string with_peers(const std::string& peers) {
  return sound + "[broker]\nsecret_key = '" + secret_text + "'\n" + peers;
}
std::string peer(const std::string& name, const std::string& key, const std::string& may_be) {
  return "[[peer]]\nname = '" + name + "'\npublic_key = '" + key + "'\nmay_be = " + may_be + "\n";
}

TEST(Peers, AreReadWithWhatTheyMayBe) {
  const ConfigurationResult result =
      read(with_peers(peer("gateway", one_key, "['transport:sms', 'transport:ussd']") +
                      peer("logic", other_key, "['application:survey', 'application:dead_letters']")));
  ASSERT_NE(result.configuration, nullptr) << as_lines(result.faults).at(0);
  EXPECT_EQ(as_lines(result.warnings), Lines{});
  const Settings& settings = result.configuration->settings;
  EXPECT_TRUE(settings.keys_required);
  EXPECT_EQ(result.configuration->secret_key.bytes(), key_from_text(secret_text));
  ASSERT_EQ(settings.peers.size(), 2u);
  EXPECT_EQ(settings.peers[0].name, "gateway");
  EXPECT_EQ(settings.peers[0].key, key_from_text(one_key));
  ASSERT_EQ(settings.peers[0].may_be.size(), 2u);
  EXPECT_EQ(settings.peers[0].may_be[1].role, Role::transport);
  EXPECT_EQ(settings.peers[0].may_be[1].name, "ussd");
  EXPECT_EQ(settings.peers[1].may_be[1].name, "dead_letters");
}

TEST(Peers, MayHaveALimitOfTheirOwn) {
  const auto peers = [](const std::string& most) {
    return with_peers(peer("gateway", one_key, "['transport:sms']") + "max_registrations = " + most + "\n" +
                      peer("logic", other_key, "['application:survey']"));
  };
  const ConfigurationResult result = read(peers("7"));
  ASSERT_NE(result.configuration, nullptr) << as_lines(result.faults).at(0);
  EXPECT_EQ(result.configuration->settings.peers[0].max_registrations, 7u);
  EXPECT_EQ(result.configuration->settings.peers[1].max_registrations, 0u);
  EXPECT_EQ(faults_of(peers("0")), Lines{"11:21 max_registrations must lie between 1 and 1000000, and is 0"});
  EXPECT_EQ(faults_of(peers("1_000_001")),
            Lines{"11:21 max_registrations must lie between 1 and 1000000, and is 1000001"});
  EXPECT_EQ(faults_of(peers("'many'")).size(), 1u);
  const ConfigurationResult both = read(peers("7\nmax_sessions = 20"));
  ASSERT_NE(both.configuration, nullptr) << as_lines(both.faults).at(0);
  EXPECT_EQ(both.configuration->settings.peers[0].max_sessions, 20u);
  EXPECT_EQ(faults_of(peers("7\nmax_sessions = 0")),
            Lines{"12:16 max_sessions must lie between 1 and 1000000, and is 0"});
}

TEST(Peers, WithoutAnyKeyThereIsNothingToSay) {
  const ConfigurationResult result = read(sound);
  ASSERT_NE(result.configuration, nullptr);
  EXPECT_FALSE(result.configuration->settings.keys_required);
  EXPECT_FALSE(result.configuration->secret_key);
}

TEST(Peers, AndTheBrokersKeyBelongTogether) {
  EXPECT_EQ(faults_of(sound + peer("gateway", one_key, "['transport:sms']")),
            Lines{"5:3 peers have keys where the broker has one: give it with secret_key_file in [broker]; `signalbox "
                  "keygen` makes one"});
  EXPECT_EQ(warnings_of(with_peers("")),
            Lines{"6:1 the broker has a key and no [[peer]] is listed: nobody can connect"});
  EXPECT_EQ(warnings_of(with_peers("insecure = true\n" + peer("gateway", one_key, "['transport:sms']"))),
            Lines{"7:1 insecure changes nothing here: whoever connects needs a key"});
  EXPECT_EQ(faults_of(with_peers("endpoint = 'tcp://*:5570'\n" + peer("gateway", one_key, "['transport:sms']"))),
            Lines{})
      << "with keys the broker may listen anywhere";
}

TEST(Peers, TheirKeysAreKeysAndTheirsAlone) {
  EXPECT_EQ(faults_of(with_peers(peer("a", one_key.substr(1), "['transport:sms']"))),
            Lines{"9:14 public_key must be 40 characters, as `signalbox keygen` writes them"});
  EXPECT_EQ(faults_of(with_peers(peer("a", one_key, "['transport:sms']") + peer("b", one_key, "['transport:ussd']"))),
            Lines{"13:14 this is the key of \"a\" too: list in one may_be all that one key may be"});
  EXPECT_EQ(faults_of(with_peers(peer("a", one_key, "['transport:sms']") + peer("a", other_key, "['transport:sms']"))),
            Lines{"12:8 there are two peers with the name \"a\""});
}

TEST(Peers, MayBeWhatThereIs) {
  const auto fault = [](const std::string& item) {
    return faults_of(with_peers(peer("a", one_key, "[" + item + "]")));
  };
  EXPECT_EQ(fault(""), Lines{"10:10 may_be is empty: a peer that may be nothing is no use"});
  EXPECT_EQ(fault("7"), Lines{"10:11 this must be a string such as \"application:my_application\", not an integer"});
  EXPECT_EQ(fault("'sms'"), Lines{"10:11 \"sms\" must begin with \"transport:\" or \"application:\""});
  EXPECT_EQ(fault("'transprt:sms'"),
            Lines{"10:11 \"transprt:sms\" must begin with \"transport:\" or \"application:\"; did you mean "
                  "\"transport\"?"});
  EXPECT_EQ(fault("'transport:smss'"), Lines{"10:11 \"smss\" is no transport of this file; did you mean \"sms\"?"});
  EXPECT_EQ(fault("'application:sms'"), Lines{"10:11 \"sms\" is no application but a transport"});
  EXPECT_EQ(fault("'transport:survey'"), Lines{"10:11 \"survey\" is no transport but an application"});
  EXPECT_EQ(fault("'transport:sms', 'transport:sms'"), Lines{"10:28 \"transport:sms\" is listed twice"});
}

TEST(Peers, HaveKeysOfTheirOwnAndNotTheBrokers) {
  const Lines fault{"9:14 this is the broker's own key: a peer has a pair of its own"};
  EXPECT_EQ(faults_of(with_peers(peer("gateway", public_text, "['transport:sms']"))), fault);
}

TEST(Peers, AreWholeTables) {
  EXPECT_EQ(faults_of(with_peers("[[peer]]\n")),
            (Lines{"7:1 this peer has no name", "7:1 this peer has no public_key", "7:1 this peer has no may_be"}));
  EXPECT_EQ(faults_of(with_peers(peer("a", one_key, "['transport:sms']") + "key = 1\n")),
            Lines{"11:1 unknown key \"key\" in [[peer]]"});
  EXPECT_EQ(faults_of(with_peers("[peer]\nname = 'a'\n")), Lines{"7:1 a peer's table has two brackets: [[peer]]"});
  EXPECT_EQ(
      faults_of(with_peers("[[peer]]\nname = 'a/b'\npublic_key = '" + one_key + "'\nmay_be = ['transport:sms']\n"))
          .size(),
      1u);
}

TEST(BrokersKey, IsNeverQuoted) {
  const std::string nearly = secret_text.substr(1);
  const Lines faults = faults_of(sound + "[broker]\nsecret_key = '" + nearly + "'\n");
  EXPECT_EQ(faults, Lines{"6:14 secret_key must be 40 characters, as `signalbox keygen` writes them"});
}

class BrokersKeyFile : public ::testing::Test {
 protected:
  BrokersKeyFile() {
    EXPECT_EQ(mkdir(folder_.c_str(), 0700), 0);
    write("broker.secret", secret_text + "\n", 0600);
  }

  void write(const std::string& name, const std::string& text, mode_t mode) const {
    std::ofstream(folder_ + "/" + name) << text;
    chmod((folder_ + "/" + name).c_str(), mode);
  }
  ConfigurationResult read_file(const std::string& keys) const {
    write("broker.toml", sound + "[broker]\n" + keys + "\n" + peer("a", one_key, "['transport:sms']"), 0644);
    return read_configuration_file(folder_ + "/broker.toml", RouterRegistry());
  }
  Lines faults(const std::string& keys) const { return as_lines(read_file(keys).faults); }

  static inline int made_ = 0;
  const std::string folder_ =
      ::testing::TempDir() + "signalbox_peers_" + std::to_string(getpid()) + "_" + std::to_string(++made_);
};

TEST_F(BrokersKeyFile, IsReadFromTheFoldersOfTheConfiguration) {
  for (const std::string& path : {std::string("broker.secret"), folder_ + "/broker.secret"}) {
    const ConfigurationResult result = read_file("secret_key_file = '" + path + "'");
    ASSERT_NE(result.configuration, nullptr) << as_lines(result.faults).at(0);
    EXPECT_EQ(result.configuration->secret_key.bytes(), key_from_text(secret_text));
  }
}

TEST_F(BrokersKeyFile, HasToBeASecretOne) {
  write("open.secret", secret_text, 0644);
  write("empty.secret", "", 0600);
  EXPECT_EQ(faults("secret_key_file = 'open.secret'"),
            Lines{"6:19 the key file \"" + folder_ +
                  "/open.secret\" holds a secret, and every user of this host may read or write it: chmod o= would "
                  "mend that"});
  EXPECT_EQ(faults("secret_key_file = 'empty.secret'"),
            Lines{"6:19 the key file \"" + folder_ +
                  "/empty.secret\" holds no key: its first line must be 40 characters of Z85, as `signalbox keygen` "
                  "writes them"});
  EXPECT_EQ(faults("secret_key_file = 'nowhere'"),
            Lines{"6:19 the key file \"" + folder_ + "/nowhere\" cannot be read: No such file or directory"});
  EXPECT_EQ(faults("secret_key_file = 7"), Lines{"6:19 secret_key_file must be the path of a file, not an integer"});
  EXPECT_EQ(faults("secret_key_file = 'broker.secret'\nsecret_key = '" + secret_text + "'"),
            Lines{"7:1 secret_key_file and secret_key are one setting; give one of them"});
}

}  // namespace
}  // namespace signalbox::testing
