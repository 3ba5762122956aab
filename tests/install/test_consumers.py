"""Programs of another project, built against an installation: by find_package, and by pkg-config."""

import pathlib
import shutil
import subprocess
import unittest

from machine import CMAKE, CXX, HERE, LAUNCHER, TREE, VERSION, configure, documented, files_below, fresh_folder, output


class EchoBus:
    """The program echo_bus, whose bus other programs reach at `address`."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


PKG_CONFIG = {"PKG_CONFIG_PATH": str(next(TREE.rglob("pkgconfig")))}


def pkg_config(*words):
    return output("pkg-config", *words, environment=PKG_CONFIG).split()


class Consumers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.build = fresh_folder("found")
        configure(HERE / "consumer", cls.build, f"-DCMAKE_PREFIX_PATH={TREE}")
        output(CMAKE, "--build", cls.build)

    def test_find_package_gives_programs_that_talk(self):
        with EchoBus(self.build / "echo_bus") as bus:
            self.assertEqual(output(self.build / "hello_transport", bus.address), "You said: hello\n")
        self.assertEqual(bus.process.returncode, 0)

    def test_pkg_config_gives_the_same_program(self):
        self.assertEqual(pkg_config("--modversion", "signalbox-worker"), [VERSION])
        folder = fresh_folder("pkg_config")
        shutil.copy(HERE / "consumer" / "hello_transport.cpp", folder)
        output("sh", "-e", "-c", f"cd '{folder}'\n" + documented("g++ "), environment=PKG_CONFIG)
        with EchoBus(self.build / "echo_bus") as bus:
            self.assertEqual(output(folder / "hello_transport", bus.address), "You said: hello\n")

    def test_pkg_config_links_the_broker_too(self):
        program = fresh_folder("pkg_config_broker") / "echo_bus"
        output(*LAUNCHER, CXX, *pkg_config("--cflags", "signalbox-broker", "signalbox-worker"), "-c", "-o",
               f"{program}.o", HERE / "consumer" / "echo_bus.cpp")
        output(CXX, f"{program}.o", "-o", program, *pkg_config("--libs", "signalbox-broker", "signalbox-worker"))
        with EchoBus(program) as bus:
            self.assertTrue(bus.address.startswith("tcp://127.0.0.1:"))
        self.assertEqual(bus.process.returncode, 0)

    def test_an_installation_may_be_moved(self):
        moved = fresh_folder("moved") / "elsewhere"
        shutil.copytree(TREE, moved)
        said = configure(HERE / "consumer", fresh_folder("found_moved"), f"-DCMAKE_PREFIX_PATH={moved}",
                         "--trace-expand", "--trace-format=human")
        self.assertIn(str(moved), said)
        self.assertNotIn(str(TREE), said)
        for name in files_below(TREE):
            if name.endswith((".cmake", ".pc")):
                self.assertNotIn(str(TREE), pathlib.Path(TREE, name).read_text(), name)

    def test_a_worker_needs_nothing_of_the_brokers(self):
        said = configure(HERE / "consumer", fresh_folder("worker_only"), f"-DCMAKE_PREFIX_PATH={TREE}",
                         "-DSIGNALBOX_COMPONENTS=worker", "-DSIGNALBOX_LIBRARY_xxhash=OFF", "--trace-expand")
        self.assertNotIn("brokerTargets.cmake", said)

    def test_what_is_missing_is_named(self):
        for settings, words in (
                (["-DSIGNALBOX_COMPONENTS=worker;telegraph"],
                 "components worker, broker and router_plugin, not telegraph"),
                (["-DSIGNALBOX_LIBRARY_xxhash=OFF"], "signalbox::broker needs libxxhash")):
            with self.subTest(settings=settings):
                said = configure(HERE / "consumer", fresh_folder("missing"), f"-DCMAKE_PREFIX_PATH={TREE}", *settings,
                                 expect=1)
                self.assertIn(words, " ".join(said.split()))

    def test_every_documented_way_to_find_it_works(self):
        lines = documented("find_package").splitlines()
        self.assertEqual(len(lines), 4)
        everything = "worker broker core router_plugin"
        for line, targets in zip(lines, ("worker", "broker core", "router_plugin", everything)):
            source = fresh_folder("documented")
            (source / "CMakeLists.txt").write_text(
                f"cmake_minimum_required(VERSION 3.25)\nproject(documented LANGUAGES CXX)\n{line}\n"
                f"foreach(name {everything})\n  if(TARGET signalbox::${{name}})\n    list(APPEND found ${{name}})\n"
                "  endif()\nendforeach()\nmessage(STATUS \"found: ${found}.\")\n")
            said = configure(source, source / "build", f"-DCMAKE_PREFIX_PATH={TREE}")
            self.assertIn(f"found: {targets.replace(' ', ';')}.", said, line)

    def test_an_older_interface_is_not_taken_for_this_one(self):
        source = fresh_folder("older")
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(older LANGUAGES CXX)\n"
            "find_package(signalbox 0.2 REQUIRED)\n")
        said = configure(source, source / "build", f"-DCMAKE_PREFIX_PATH={TREE}", expect=1)
        self.assertIn(VERSION, said)


if __name__ == "__main__":
    unittest.main()
