"""Programs that are built and run by other commands than this interpreter: what the program's own process does.

Nothing here is trusted by anyone else. The text comes at descriptor 3. A build leaves what it made at descriptor 4, in memory,
where the supervisor seals it; every test gets it from there, so that none can change it for the next.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from typing import NoReturn

from .levels import Limits
from .program import read_all, write_all

NOT_STARTED = 127
"""Exit status of a build whose compiler could not be started."""

_MESSAGE_BYTES = 4096
_MOST_MESSAGES = 16 << 20
_STACK_MARGIN = 1 << 20
_MOST_STACK = 256 << 20  # bytes


@dataclass(frozen=True)
class Command:
    """``argv`` and ``environment`` are complete but for ``{tmp}`` and ``{stack_kb}``. ``source`` is the file that the bytes at
    descriptor 3 are put into ("": they are executed), ``made`` the file or folder that a build leaves."""

    argv: list[str]
    environment: dict[str, str]
    source: str
    made: str
    limits: Limits
    is_vm: bool = False

    def pack(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Command:
        fields = json.loads(data)
        return cls(**(fields | {"limits": Limits(**fields["limits"])}))


def build(command: Command) -> int:
    """Run the compiler; returns the exit status. What it says goes to standard error if it fails."""
    _write_file(command.source, read_all(3))
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(write_end, 1)
            os.dup2(write_end, 2)
            os.closerange(3, 16)
            _start(command)
        except OSError as error:
            os.write(2, f"{command.argv[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(NOT_STARTED)
    os.close(write_end)
    kept, size = b"", 0
    while data := os.read(read_end, 1 << 16):
        kept = (kept + data)[:_MESSAGE_BYTES]
        size += len(data)
        if size > _MOST_MESSAGES:
            os.kill(pid, signal.SIGKILL)
            kept = f"the compiler printed more than {_MOST_MESSAGES >> 20} MiB".encode()
            break
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        os.write(2, kept or f"the compiler ended with status {status}".encode())
        return status if status == NOT_STARTED else 1
    if os.path.isdir(command.made):
        _pack_classes(command.made)
    else:
        with open(command.made, "rb") as stream:
            write_all(4, stream.read())
    return 0


def _pack_classes(folder: str) -> None:
    """A jar at descriptor 4: the classes, and which of them has ``main``."""
    import zipfile  # only here: it brings compression libraries with it, and every mapped file makes each fork dearer

    classes = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                classes[os.path.relpath(path, folder)] = file.read()
    can_start = [
        name.removesuffix(".class").replace("/", ".")
        for name, data in sorted(classes.items(), key=lambda item: (_start_order(item[0]), item[0]))
        if b"\x01\x00\x04main" in data and b"\x01\x00\x16([Ljava/lang/String;)V" in data
    ]
    with open(4, "wb", closefd=False) as stream, zipfile.ZipFile(stream, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\nMain-Class: {(can_start or ['Main'])[0]}\n")
        for name, data in classes.items():
            jar.writestr(name, data)


def _start_order(path: str) -> int:
    """Which ``main`` is the program's: the driver's of a functional problem, else that of ``Main``."""
    return next((place for place, name in enumerate(("DreamprmDriver.class", "Main.class")) if path.endswith(name)), 2)


def execute(command: Command) -> NoReturn:
    """Become the program that was built; returns only with an OSError."""
    if command.source:
        _write_file(command.source, read_all(3))
    os.set_inheritable(3, False)
    _start(command)


def _write_file(name: str, data: bytes) -> None:
    with open(name, "wb") as stream:
        stream.write(data)


def _start(command: Command) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
        signal.signal(number, signal.SIG_DFL)
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    stack = _MOST_STACK if stack == resource.RLIM_INFINITY else min(_MOST_STACK, stack - _STACK_MARGIN)
    values = {"{tmp}": os.environ["TMPDIR"], "{stack_kb}": str(stack >> 10)}
    environment = {name: os.environ[name] for name in ("HOME", "TMPDIR", "LANG")}
    environment |= {name: _filled(text, values) for name, text in command.environment.items()}
    argv = [_filled(text, values) for text in command.argv]
    sys.stdout.flush()
    os.execve(argv[0] if argv[0].startswith("/") else 3, argv, environment)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
