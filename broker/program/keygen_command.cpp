#include "broker/program/keygen_command.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "broker/authentication.hpp"
#include "broker/program/exit_codes.hpp"
#include "protocol/keys.hpp"

namespace signalbox {
namespace {

constexpr const char* teaching =
    R"(The public key may be known to all: the broker's goes to every worker (--server-key), a worker's into
a [[peer]] table of the broker's configuration. The secret key stays with its owner: [broker] secret_key_file,
worker --secret-key-file.

  signalbox keygen -o broker             writes broker.public and broker.secret
  signalbox keygen                       prints a pair

A file that is there already is never overwritten, and nobody but its owner may read the secret one.

Exit codes:
  0  done
  1  a file could not be written, or this libzmq has no CURVE
  2  the arguments are wrong)";

// False, with a line on stderr: it was not written, and is not there where it was not before.
bool write_new_file(const std::string& path, mode_t mode, const std::string& key) {
  const auto complain = [&path](int error) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(),
                 error == EEXIST ? "is there already; keys are never overwritten" : std::strerror(error));
    return false;
  };
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return complain(errno);
  std::string line = key + "\n";
  const bool is_written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fsync(fd) == 0;
  const int error = errno;
  wipe(line);
  close(fd);
  if (is_written) return true;
  unlink(path.c_str());
  return complain(error);
}

}  // namespace

KeygenCommand::KeygenCommand(CLI::App& program)
    : Command(*program.add_subcommand("keygen", "Make a pair of keys, for a broker or a worker")) {
  arguments().footer(teaching);
  arguments().add_option("--output,-o", name_, "Write NAME.public and NAME.secret")->type_name("NAME");
}

int KeygenCommand::run() {
  KeyPair keys = make_key_pair();
  if (name_.empty()) {
    std::printf("public_key = \"%s\"\nsecret_key = \"%s\"\n", keys.public_key.c_str(), keys.secret_key.c_str());
    wipe(keys.secret_key);
    return exit_ok;
  }
  const std::string secret_path = name_ + ".secret";
  const bool has_secret = write_new_file(secret_path, S_IRUSR | S_IWUSR, keys.secret_key);
  wipe(keys.secret_key);
  if (!has_secret) return exit_failed;
  if (!write_new_file(name_ + ".public", S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, keys.public_key)) {
    unlink(secret_path.c_str());  // a secret alone is of no use
    return exit_failed;
  }
  std::printf("public_key = \"%s\"\n", keys.public_key.c_str());
  return exit_ok;
}

}  // namespace signalbox
