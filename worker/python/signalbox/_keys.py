"""Keys' files, as `signalbox keygen` writes them."""

from __future__ import annotations

import os
import stat
import struct
from typing import Union

from zmq.utils import z85

KEY_CHARACTERS = 40
KEY_BYTES = 32
KEY_FILE_BYTES_MAX = 4096


def read_key_file(path: Union[str, "os.PathLike[str]"]) -> str:
    """The key, 40 characters. Raises OSError for a file that cannot be read, ValueError for one that holds no key or,
    where its name does not end in `.public`, that every user of the host may read or write."""
    with open(path, "rb") as file:
        everybody = stat.S_IROTH | stat.S_IWOTH
        if not os.fspath(path).endswith(".public") and os.fstat(file.fileno()).st_mode & everybody:
            raise ValueError("%s holds a secret, and every user of this host may read or write it" % os.fspath(path))
        lines = [line.strip() for line in file.read(KEY_FILE_BYTES_MAX).splitlines()]
    first = next((line for line in lines if line and (not line.startswith(b"#") or is_key(line))), b"")
    if is_key(first):
        return first.decode("ascii")
    raise ValueError("%s holds no key: its first line must be 40 characters of Z85" % os.fspath(path))


def is_key(text: bytes) -> bool:
    try:
        return len(text) == KEY_CHARACTERS and len(z85.decode(text)) == KEY_BYTES  # type: ignore[no-untyped-call]
    except (KeyError, ValueError, struct.error):
        return False
