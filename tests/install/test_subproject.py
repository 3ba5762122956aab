"""The project within another one, by add_subdirectory: only the libraries, and nothing of ours gets out."""

import shutil
import unittest

from machine import CMAKE, HERE, SOURCE, configure, documented, fresh_folder, output


class Subproject(unittest.TestCase):
    def test_the_libraries_and_nothing_else(self):
        source = fresh_folder("source")
        for file in (HERE / "subproject" / "CMakeLists.txt", *(HERE / "consumer").glob("*.cpp")):
            shutil.copy(file, source)
        (source / "signalbox").symlink_to(SOURCE)
        build = fresh_folder("build")
        configure(source, build, f"-DSIGNALBOX_LINE={documented('add_subdirectory').strip()}")
        targets = output(CMAKE, "--build", build, "--target", "help")
        self.assertRegex(targets, r"(?m)^libsignalbox_worker.a:")
        for ours in ("signalbox:", "echo_application:", "broker_tests:", "bench_micro:", "package:"):
            self.assertNotRegex(targets, f"(?m)^{ours}")

        # What would be built, without the minutes that it takes.
        commands = output("ninja", "-C", build, "-n", "-v", "hello_transport", "echo_bus")
        own = next(line for line in commands.splitlines() if "hello_transport.cpp.o -c" in line)
        self.assertIn("-std=gnu++20", own)
        self.assertNotIn("-Wconversion", own)
        link = next(line for line in commands.splitlines() if " -o echo_bus " in line)
        for library in ("libsignalbox_broker.a", "libsignalbox_protocol.a", "libzmq.so", "libxxhash.so"):
            self.assertIn(library, link)
        self.assertNotIn("-lcppzmq", link)


if __name__ == "__main__":
    unittest.main()
