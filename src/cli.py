"""How every stage starts and how it fails: one line on standard error and exit status 2, never a traceback for bad input."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from dreamprm_code.config import parse_config
from dreamprm_code.errors import UserError

ConfigT = TypeVar("ConfigT")


def run_stage(config_class: type[ConfigT], section: str, description: str, main: Callable[[ConfigT], None]) -> None:
    """Parse the command line and run ``main``.

    A UserError (JsonlError, ConfigError ...) and an error of the operating system (no space, no permission, a folder in the
    place of a file) become one clear line and status 2; Ctrl-C and SIGTERM end in order, with status 130 and 143. Anything else
    is a defect and keeps its traceback.
    """
    with _sigterm_as_interrupt() as terminated:
        try:
            main(parse_config(config_class, section, description))
        except UserError as error:
            _fail(section, str(error))
        except OSError as error:
            _fail(section, _describe(error))
        except KeyboardInterrupt:
            how, status = ("terminated", 143) if terminated else ("interrupted", 130)
            print(f"{section}: {how}; run the same command again to go on", file=sys.stderr)
            sys.exit(status)


def _fail(section: str, message: str) -> None:
    lines = (line.strip() for line in message.splitlines())
    print(f"{section}: error: {' '.join(line for line in lines if line)}", file=sys.stderr)
    sys.exit(2)


def _describe(error: OSError) -> str:
    """What the operating system refused, and for which file."""
    if error.strerror is None:
        return str(error) or type(error).__name__
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes, os.PathLike))]
    return f"{' -> '.join(names)}: {error.strerror}" if names else error.strerror


@contextmanager
def _sigterm_as_interrupt() -> Iterator[list[int]]:
    """SIGTERM does what Ctrl-C does, in worker pools too; the list that is given holds its number once it came."""
    came: list[int] = []
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a fork of ours ends as it would without this handler
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        came.append(number)
        for child in multiprocessing.active_children():
            child.terminate()
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):  # ignored, as for a background job of a shell
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
