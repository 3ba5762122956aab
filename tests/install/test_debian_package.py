"""The Debian packages: what is in them, and what installing, removing and purging them leaves on a machine.

They are installed into a folder with a package database of its own; the machine's own one is neither read nor written.
That works for root, in a container for example, and for anybody else.
"""

import gzip
import os
import re
import unittest

from machine import PACKAGES, SOURCE, VERSION, files_below, fresh_folder, output

ARCHITECTURE = output("dpkg", "--print-architecture").strip()
PROGRAM = PACKAGES / f"signalbox_{VERSION}_{ARCHITECTURE}.deb"
LIBRARIES = PACKAGES / f"libsignalbox-dev_{VERSION}_{ARCHITECTURE}.deb"
CONFIGURATION = "etc/signalbox/signalbox.toml"
UNIT = "usr/lib/systemd/system/signalbox.service"


class Root:
    """A folder that dpkg takes for a machine. Chosen and read through `--root`; maintainer scripts run without chroot,
    and find it in DPKG_ROOT. What other packages have to bring is not there, so dependencies are not asked for."""

    def __init__(self, name):
        self.path = fresh_folder(name)
        admin = self.path / "var" / "lib" / "dpkg"
        for folder in ("info", "updates", "triggers"):
            (admin / folder).mkdir(parents=True)
        (admin / "status").touch()
        (admin / "available").touch()
        # A tree that a machine has anyway.
        (self.path / "etc" / "systemd" / "system" / "multi-user.target.wants").mkdir(parents=True)
        self.before = self.files()

    def dpkg(self, *words, environment=None):
        # The machine's settings of dpkg may leave out documents, or want a terminal.
        return output("dpkg", f"--root={self.path}", "--log=/dev/null", "--force-not-root", "--force-script-chrootless",
                      "--force-depends", "--force-bad-path", "--force-confdef", "--path-include=/usr/share/*", *words,
                      environment={"DEBIAN_FRONTEND": "noninteractive", **(environment or {})})

    def files(self):
        return [path for path in files_below(self.path) if not path.startswith("var/lib/dpkg/")]

    def status(self, package):
        found = re.search(rf"^Package: {package}\nStatus: (.*)$", (self.path / "var/lib/dpkg/status").read_text(),
                          re.MULTILINE)
        return found.group(1) if found else None


def fields(package):
    """The control fields of a package file."""
    return dict(re.findall(r"^(\S+): (.*)$", output("dpkg-deb", "--field", package), re.MULTILINE))


def contents(package):
    """Path to mode and owner, of all that a package file holds."""
    lines = [line.split() for line in output("dpkg-deb", "--contents", package).splitlines()]
    return {line[5].removeprefix("."): (line[0], line[1]) for line in lines}


def depended_on(package):
    return {name.split()[0] for name in fields(package)["Depends"].split(", ")}


class Contents(unittest.TestCase):
    def test_the_program_needs_the_libraries_that_it_is_linked_with(self):
        needed = depended_on(PROGRAM)
        self.assertLessEqual({"libc6", "libstdc++6", "libxxhash0", "libzmq5"}, needed)
        self.assertEqual([name for name in needed if name.endswith("-dev") or "toml" in name], [])

    def test_the_libraries_need_what_their_users_link(self):
        self.assertLessEqual({"libxxhash-dev", "libzmq3-dev"}, depended_on(LIBRARIES))

    def test_everything_belongs_to_root_and_is_writable_for_root_alone(self):
        for package in (PROGRAM, LIBRARIES):
            for path, (mode, owner) in contents(package).items():
                with self.subTest(package=package.name, path=path):
                    self.assertEqual(owner, "root/root")
                    folder = path.endswith("/")
                    runs = folder or path == "/usr/bin/signalbox"
                    self.assertEqual(mode, ("d" if folder else "-") + ("rwxr-xr-x" if runs else "rw-r--r--"))

    def test_the_two_share_no_file(self):
        shared = contents(PROGRAM).keys() & contents(LIBRARIES).keys()
        self.assertEqual([path for path in shared if not path.endswith("/")], [])

    def test_each_brings_its_papers(self):
        for package, name in ((PROGRAM, "signalbox"), (LIBRARIES, "libsignalbox-dev")):
            root = fresh_folder(f"papers_{name}")
            output("dpkg-deb", "--extract", package, root)
            papers = root / "usr/share/doc" / name
            self.assertIn("Apache-2.0", (papers / "copyright").read_text())
            changes = gzip.decompress((papers / "changelog.gz").read_bytes()).decode()
            self.assertEqual(changes.splitlines()[0].split()[:2], ["signalbox", f"({VERSION})"])

    def test_the_manual_page_has_every_command(self):
        root = fresh_folder("manual")
        output("dpkg-deb", "--extract", PROGRAM, root)
        manual = gzip.decompress((root / "usr/share/man/man1/signalbox.1.gz").read_bytes()).decode()
        commands = output(root / "usr/bin/signalbox", "--help").partition("Subcommands:")[2]
        commands = re.findall(r"^  ([a-z]+) ", commands.partition("\n\n")[0], re.MULTILINE)
        self.assertIn("serve", commands)
        for command in commands:
            self.assertRegex(manual, rf'(?m)^\.(B|BI) "?{command}\b')

    def test_the_program_is_stripped(self):
        root = fresh_folder("stripped")
        output("dpkg-deb", "--extract", PROGRAM, root)
        self.assertIn(" stripped", output("file", root / "usr/bin/signalbox"))


class OnAMachine(unittest.TestCase):
    def test_installed_removed_and_purged(self):
        root = Root("life")
        root.dpkg("--install", PROGRAM)
        self.assertEqual(root.status("signalbox"), "install ok installed")
        installed = root.files()
        for path in contents(PROGRAM):
            if not path.endswith("/"):
                self.assertIn(path.lstrip("/"), installed)

        program = root.path / "usr/bin/signalbox"
        self.assertTrue(output(program, "--version").startswith(f"signalbox {VERSION} "))
        configuration = root.path / CONFIGURATION
        self.assertIn("smpp_transport", output(program, "check", configuration))
        # Not enabled, so nothing starts by itself.
        self.assertEqual(list((root.path / "etc/systemd/system/multi-user.target.wants").iterdir()), [])

        # What the administrator made stays until the package is purged.
        enabled = root.path / "etc/systemd/system/multi-user.target.wants/signalbox.service"
        enabled.symlink_to("/" + UNIT)
        with configuration.open("a") as file:
            file.write("# mine\n")
        root.dpkg("--remove", "signalbox")
        self.assertEqual(root.status("signalbox"), "deinstall ok config-files")
        self.assertEqual(root.files(), sorted([CONFIGURATION, str(enabled.relative_to(root.path))]))
        self.assertTrue(configuration.read_text().endswith("# mine\n"))

        root.dpkg("--purge", "signalbox")
        self.assertIsNone(root.status("signalbox"))
        self.assertEqual(root.files(), root.before)
        self.assertFalse(configuration.parent.exists())

    def test_an_update_keeps_a_changed_configuration(self):
        root = Root("update")
        root.dpkg("--install", PROGRAM)
        configuration = root.path / CONFIGURATION
        configuration.write_text("# mine\n")
        root.dpkg("--install", PROGRAM)
        self.assertEqual(configuration.read_text(), "# mine\n")
        self.assertEqual(root.status("signalbox"), "install ok installed")

    def test_the_scripts_ask_systemd_for_nothing_in_another_root(self):
        root = Root("scripts")
        # A systemctl that betrays itself, first in PATH.
        tools = fresh_folder("tools")
        betrayed = tools / "called"
        (tools / "systemctl").write_text(f"#!/bin/sh\necho \"$@\" >>{betrayed}\n")
        (tools / "systemctl").chmod(0o755)
        environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
        for action, package in (("--install", PROGRAM), ("--install", PROGRAM), ("--remove", "signalbox"),
                                ("--purge", "signalbox")):
            root.dpkg(action, package, environment=environment)
        self.assertFalse(betrayed.exists())

    def test_the_libraries_come_and_go(self):
        root = Root("libraries")
        root.dpkg("--install", LIBRARIES)
        environment = {"PKG_CONFIG_PATH": str(next(root.path.rglob("pkgconfig")))}
        version = output("pkg-config", "--modversion", "signalbox-worker", environment=environment)
        self.assertEqual(version.strip(), VERSION)
        self.assertTrue((root.path / "usr/include/signalbox/worker/worker.hpp").exists())
        root.dpkg("--purge", "libsignalbox-dev")
        self.assertEqual(root.files(), root.before)


class Scripts(unittest.TestCase):
    def test_the_shell_can_read_them(self):
        for name in ("postinst", "prerm", "postrm"):
            output("sh", "-n", SOURCE / "cmake/packaging/debian" / name)


if __name__ == "__main__":
    unittest.main()
