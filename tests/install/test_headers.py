"""The installed headers, without the project round them."""

import concurrent.futures
import os
import re
import unittest

from machine import CXX, TREE, files_below, fresh_folder, output

INCLUDE = TREE / "include" / "signalbox"


class Headers(unittest.TestCase):
    def test_each_compiles_alone(self):
        folder = fresh_folder("alone")
        headers = files_below(INCLUDE)
        self.assertIn("worker/worker.hpp", headers)
        self.assertIn("broker/broker.hpp", headers)

        def compile_alone(header):
            source = folder / (header.replace("/", "_") + ".cpp")
            source.write_text(f'#include "{header}"\n')
            output(CXX, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{INCLUDE}", source)

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as compilers:
            list(compilers.map(compile_alone, headers))

    def test_none_asks_for_a_library_from_outside(self):
        for header in files_below(INCLUDE):
            for included in re.findall(r"^#include <(.*)>", (INCLUDE / header).read_text(), re.MULTILINE):
                with self.subTest(header=header):
                    self.assertNotRegex(included, r"/|\+\+|^(zmq|msgpack|toml|CLI|nlohmann|xxh|re2|unicode)")

    def test_what_is_private_stays_so(self):
        headers = files_below(INCLUDE)
        for private in ("broker/core/state.hpp", "broker/configuration_toml.hpp", "routers/built_in.hpp"):
            self.assertNotIn(private, headers)
        self.assertEqual([header for header in headers if header.startswith(("tests/", "broker/program/"))], [])


if __name__ == "__main__":
    unittest.main()
