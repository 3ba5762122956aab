"""Puts a program under what a systemd unit forbids it, without a systemd: its system calls and its address families.

Through libseccomp, which systemd brings along. It understands what the unit of this project says and no more; a name
that it does not know is an error.
"""

import ctypes
import errno
import resource
import subprocess

ALLOW = 0x7FFF0000
ERROR = 0x00050000
NOT_EQUAL, MASKED_EQUAL = 1, 7
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
PROT_WRITE, PROT_EXEC = 2, 4


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def calls_of(group):
    """The names of a group such as @system-service, as this systemd has them."""
    names = set()
    for line in subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", group], check=True,
                               capture_output=True, text=True).stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            names |= calls_of(word)
        elif word and not word.startswith("#"):
            names.add(word)
    return names


class Sandbox:
    """REQUIRES: `settings` maps a key of [Service] to the list of its values in the unit."""

    def __init__(self, settings):
        self.library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self.library.seccomp_init.restype = ctypes.c_void_p
        self.allowed = set()
        for value in settings["SystemCallFilter"]:
            named = set().union(*(calls_of(group) for group in value.lstrip("~").split()))
            self.allowed = self.allowed - named if value.startswith("~") else self.allowed | named
        self.allowed |= calls_of("@default")
        self.refusal = getattr(errno, settings["SystemCallErrorNumber"][0])
        self.families = [FAMILIES[name] for name in settings["RestrictAddressFamilies"][0].split()]
        self.no_executable_writing = settings["MemoryDenyWriteExecute"] == ["yes"]
        self.descriptors = int(settings["LimitNOFILE"][0])

    def enter(self):
        """For a process that is about to become the program; whatever it becomes stays inside."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        descriptors = self.descriptors if hard == resource.RLIM_INFINITY else min(hard, self.descriptors)
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        calls = self._filter(ERROR | self.refusal)
        for name in self.allowed:
            number = self.library.seccomp_syscall_resolve_name(name.encode())
            if number >= 0:  # else another architecture's
                self._rule(calls, ALLOW, number)
        self._load(calls)

    def enter_memory_and_families(self):
        """The same for what depends on a call's arguments; first, since enter() forbids to ask for more."""
        calls = self._filter(ALLOW)
        socket = self.library.seccomp_syscall_resolve_name(b"socket")
        for family in range(64):
            if family not in self.families:
                self._rule(calls, ERROR | errno.EAFNOSUPPORT, socket, Comparison(0, 4, family, 0))
        if self.no_executable_writing:
            both = PROT_WRITE | PROT_EXEC
            mmap = self.library.seccomp_syscall_resolve_name(b"mmap")
            mprotect = self.library.seccomp_syscall_resolve_name(b"mprotect")
            self._rule(calls, ERROR | errno.EPERM, mmap, Comparison(2, MASKED_EQUAL, both, both))
            self._rule(calls, ERROR | errno.EPERM, mprotect, Comparison(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
        self._load(calls)

    def _filter(self, otherwise):
        return ctypes.c_void_p(self.library.seccomp_init(ctypes.c_uint32(otherwise)))

    def _rule(self, calls, action, number, *comparisons):
        array = (Comparison * max(1, len(comparisons)))(*comparisons)
        done = self.library.seccomp_rule_add_array(calls, ctypes.c_uint32(action), number, len(comparisons), array)
        if done != 0:
            raise OSError(-done, "seccomp_rule_add_array")

    def _load(self, calls):
        done = self.library.seccomp_load(calls)
        if done != 0:
            raise OSError(-done, "seccomp_load")
