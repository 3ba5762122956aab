"""A router in a shared library, built against an installation as docs/writing-a-router.md tells it, in the program."""

import json
import re
import shutil
import subprocess
import unittest

from machine import CMAKE, SOURCE, TREE, configure, fresh_folder, output

PROGRAM = TREE / "bin" / "signalbox"
EXAMPLE = SOURCE / "examples" / "router_plugin"


def built_example(name, *settings):
    """A copy of the example, and its library in the copy's folder build."""
    folder = fresh_folder(name) / "router_plugin"
    shutil.copytree(EXAMPLE, folder)
    configure(folder, folder / "build", *settings)
    output(CMAKE, "--build", folder / "build")
    return folder


class Process:
    """A program that is ended, whatever becomes of the test."""

    def __init__(self, *command, **streams):
        self.process = subprocess.Popen([str(word) for word in command], text=True, **streams)

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class RouterPlugin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = built_example("own", f"-DCMAKE_PREFIX_PATH={TREE}")
        cls.configuration = cls.folder / "prefix_router.toml"

    def changed(self, old, new):
        """The example's configuration with one text replaced, beside it."""
        text = self.configuration.read_text()
        self.assertEqual(text.count(old), 1)
        file = self.folder / "changed.toml"
        file.write_text(text.replace(old, new))
        return file

    def test_check_shows_its_routes(self):
        said = output(PROGRAM, "check", self.configuration)
        self.assertRegex(said, r'inbound +any +from_addr begins with "\+27" +south_africa')

    def test_a_message_goes_its_way(self):
        endpoint = f"ipc://{self.folder}/bus"
        file = self.changed("[broker]\n", f'[broker]\nendpoint = "{endpoint}"\n')
        with Process(PROGRAM, "serve", file, stderr=subprocess.PIPE) as broker:
            for line in broker.stderr:
                if " listening " in line:
                    break
            worker = (PROGRAM, "worker", "--endpoint", endpoint)
            with Process(*worker, "--application", "south_africa", stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE) as south_africa, \
                    Process(*worker, "--transport", "smpp_transport", stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE) as transport:
                transport.stdin.write('{"from_addr": "+27831234567", "content": "hello"}\n')
                transport.stdin.flush()
                delivered = json.loads(south_africa.stdout.readline())
                self.assertEqual(delivered["content"], "hello")

    def test_its_faults_stand_where_the_file_has_them(self):
        file = self.changed('"+"   = "elsewhere"', '"+"   = "elswhere"')
        self.assertEqual(output(PROGRAM, "check", file, expect=2),
                         f'{file}:7:9: error: "elswhere" is no application of this dispatcher; '
                         'did you mean "elsewhere"?\n')
        file = self.changed("[prefixes]", "[prefixs]")
        said = output(PROGRAM, "check", file, expect=2)
        self.assertIn(f"{file}:1:1: error: prefixes is missing\n", said)
        self.assertIn(f'{file}:5:2: error: unknown key "prefixs"; did you mean "prefixes"?\n', said)

    def test_it_shows_nothing_but_its_two_names(self):
        said = output("nm", "--dynamic", "--defined-only", self.folder / "build" / "libprefix_router.so")
        # Inline functions of headers aside, which every library has.
        names = {name for kind, name in re.findall(r"(?m)^\w+ (\w) (\S+)$", said) if kind not in "WVu"}
        self.assertEqual(names, {"signalbox_plugin_stamp", "signalbox_plugin_router_classes"})

    def test_one_for_another_interface_is_refused(self):
        tree = fresh_folder("other_tree") / "tree"
        shutil.copytree(TREE, tree)
        header = tree / "include" / "signalbox" / "routers" / "plugin.hpp"
        version = re.search(r"router_interface_version = (\d+);", header.read_text())
        later = int(version.group(1)) + 1
        header.write_text(header.read_text().replace(version.group(), f"router_interface_version = {later};"))
        folder = built_example("other", f"-DCMAKE_PREFIX_PATH={tree}")
        file = folder / "prefix_router.toml"
        said = output(PROGRAM, "check", file, expect=2)
        self.assertIn(f'{file}:10:12: error: the plugin "{folder}/build/libprefix_router.so" was built for version '
                      f"{later} of the router interface, and this broker has version {version.group(1)}", said)


if __name__ == "__main__":
    unittest.main()
