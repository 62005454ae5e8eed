"""The program's process as LiveCodeBench's own grader has it, for ``--compat livecodebench``.

All tests share one process. A stdin program becomes the body of a function that is called once for each test, with standard
input, ``open`` and standard output replaced in the interpreter; some functions are set to None beforehand. Only the comparison
is ours: outputs and results leave as data, and the supervisor applies the official rule to them.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import decimal
import fractions
import io
import json
import os
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

from .orders import OFFICIAL_STDIN
from .program import INT_DIGITS, PRELUDE_AS_MODULES, PRELUDE_MODULES, describe, read_all, write_all

EXTRA_IMPORTS = ("unittest.mock", "subprocess", "shutil", "faulthandler")
"""What the zygote should have loaded before it forks such processes."""

_PRELUDE = (
    "".join(f"from {module} import *\n" for module in PRELUDE_MODULES)
    + "".join(f"import {module}\n" for module in PRELUDE_AS_MODULES)
    + "sys.setrecursionlimit(50000)\n"
)
THREAD_HEAD_START_S = 0.0075
"""CPU time in which a thread that nobody joins can still get its output captured.

There, the main function of such a program returns when the interpreter first switches threads, after 5 ms of wall time; what
the threads print later is lost. Here no switch is forced and CPU time decides. Of LiveCodeBench's programs, threads that
are kept there used at most 6.6 ms on our machine, and those that are lost at least 9.4, beside other load and without.
Near the limit both are a matter of luck.
"""

_DISABLED_IN_OS = (
    "kill", "system", "putenv", "remove", "removedirs", "rmdir", "fchdir", "setuid", "fork", "forkpty", "killpg", "rename",
    "renames", "truncate", "replace", "unlink", "fchmod", "fchown", "chmod", "chown", "chroot", "lchflags", "lchmod", "lchown",
    "getcwd", "chdir",
)  # fmt: skip
_DISABLED_MODULES = ("ipdb", "joblib", "resource", "psutil", "tkinter")

_dumps = json.dumps
_loads = json.loads


def run(style: int, func_name: str) -> int:
    """As :func:`dreamprm_code.grading.sandbox.program.run_functional`; results of stdin programs are their outputs."""
    inputs = [_loads(line) for line in io.BufferedReader(io.FileIO(os.dup(0)))]
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    clock = time.process_time
    started = clock()

    def send(status: str, text: str) -> None:
        write_all(4, f"{status} {clock() - started:.6f} {text}\n".encode("ascii", "backslashreplace"))

    sys.set_int_max_str_digits(INT_DIGITS)
    try:
        source = read_all(3).decode()
        os.close(3)  # the same file comes with the next process of these tests
        _disable_functions()
        call: Callable[[Any], str]
        if style == OFFICIAL_STDIN:
            call = _stdin_caller(source)
        else:
            call = _function_caller(source, func_name)
            inputs = [[_loads(line) for line in given.split("\n")] for given in inputs]
    except BaseException as error:
        send("?", _dumps(describe(error)))
        return 1
    for given in inputs:
        started = clock()
        try:
            text = call(given)
        except BaseException as error:
            send("!", _dumps(describe(error)))
            return 1
        send("+", text)
    return 0


def _disable_functions() -> None:
    import faulthandler
    import shutil
    import subprocess

    faulthandler.disable()
    builtins.quit = None  # type: ignore[assignment]
    for name in _DISABLED_IN_OS:
        setattr(os, name, None)
    for name in ("rmtree", "move", "chown"):
        setattr(shutil, name, None)
    subprocess.Popen = None  # type: ignore[assignment,misc]
    builtins.help = None  # type: ignore[assignment]
    for name in _DISABLED_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]


def _load(text: str) -> Any:
    """What tests call methods of: a ``Solution`` if the text speaks of one, else the module."""
    module = types.ModuleType("tmp_sol", "")
    exec(text, module.__dict__)
    return module.Solution() if "class Solution" in text else module


def _stdin_caller(source: str) -> Callable[[str], str]:
    loaded = _load(_as_function(_without_main_guard(source)))
    function = loaded.wrapped_function
    from unittest.mock import mock_open, patch

    joined: list[bool] = []
    join = threading.Thread.join

    def noted_join(thread: threading.Thread, timeout: float | None = None) -> None:
        joined.append(True)
        join(thread, timeout)

    threading.Thread.join = noted_join  # type: ignore[method-assign, assignment]
    sys.setswitchinterval(1000)
    warm_up = threading.Thread(target=sum, args=(range(1000),))  # the first thread of a forked process costs more
    warm_up.start()
    join(warm_up)

    def call(given: str) -> str:
        lines = iter(given.split("\n"))
        kept, captured = sys.stdout, io.StringIO()
        captured.close = lambda: None  # type: ignore[method-assign]
        sys.stdout = captured
        try:
            with (
                # In this order: names imported from sys keep the old object, sys.stdin is a new one.
                patch("sys.stdin.read", lambda *_: given),
                patch("sys.stdin.readlines", lambda *_: given.split("\n")),
                patch("sys.stdin.readline", lambda *_: next(lines)),
                patch("sys.stdin", _Stdin(given)),
                patch("builtins.open", mock_open(read_data=given)),
            ):
                joined.clear()
                before = _other_threads_cpu()
                with contextlib.suppress(SystemExit):
                    function()
                if not joined and _other_threads_cpu() - before > THREAD_HEAD_START_S:
                    return _dumps("")
        finally:
            sys.stdout = kept
        return _dumps(captured.getvalue())

    return call


class _Stdin:
    """Its stand-in for standard input: ``read`` and ``readlines`` always give everything, and it cannot be iterated over."""

    def __init__(self, text: str):
        self._text, self._stream = text, io.StringIO(text)
        self.buffer = _Buffer(text)

    def read(self, *_: Any) -> str:
        return self._text

    def readline(self, *arguments: Any) -> str:
        return self._stream.readline(*arguments)

    def readlines(self, *_: Any) -> list[str]:
        return self._text.split("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Buffer:
    """The same in bytes; ``readline`` always gives the first line."""

    def __init__(self, text: str):
        self._data = text.encode()

    def read(self, *_: Any) -> bytes:
        return self._data

    def readline(self, *_: Any) -> bytes:
        return self._data.split(b"\n")[0] + b"\n"


def _other_threads_cpu() -> float:
    return time.process_time() - time.thread_time()


def _without_main_guard(source: str) -> str:
    """The text with a last ``if __name__ == '__main__':`` replaced by its body."""
    try:
        body = ast.parse(source).body
        last = body[-1]
        if isinstance(last, ast.If) and ast.unparse(last.test).strip() == "__name__ == '__main__'":
            return _unparse(body[:-1]) + "\n" + _unparse(last.body)
    except Exception:
        pass
    return source


def _as_function(source: str) -> str:
    """The prelude, the text's imports, and a function with all its other statements; the text itself if that fails."""
    try:
        body = ast.parse(source).body
        imports = [statement for statement in body if isinstance(statement, (ast.Import, ast.ImportFrom))]
        others = [statement for statement in body if not isinstance(statement, (ast.Import, ast.ImportFrom))]
        no_arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        function = ast.FunctionDef(  # type: ignore[call-arg]  # type_params since Python 3.12
            name="wrapped_function", args=no_arguments, body=others, decorator_list=[], type_params=[], lineno=-1
        )
        return f"{_PRELUDE}\n{_unparse(imports)}\n{_unparse(function)}"
    except Exception:
        return source


def _unparse(tree: Any) -> str:
    return ast.unparse(tree)


def _function_caller(source: str, func_name: str) -> Callable[[list[Any]], str]:
    method = getattr(_load(_PRELUDE + "\n\n" + source), func_name)

    def call(given: list[Any]) -> str:
        value = method(*given)
        return _dumps(encode(list(value) if isinstance(value, tuple) else value))

    return call


def encode(value: Any) -> Any:
    """A result as JSON that keeps its types: lists start with their kind, everything else is itself."""
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, str) else str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, dict):
        return ["dict", *([encode(key), encode(item)] for key, item in dict.items(value))]
    kinds: tuple[Any, ...] = (list, tuple, set, frozenset)
    for kind in kinds:
        if isinstance(value, kind):
            return ["set" if kind is frozenset else kind.__name__, *(encode(item) for item in kind.__iter__(value))]
    if isinstance(value, (decimal.Decimal, fractions.Fraction)):
        return ["number", str(value)]
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "item"):
        return encode(value.item()) if getattr(value, "size", 1) == 1 else ["other"]
    return ["other"]


def decode(value: Any) -> Any:
    """The inverse of :func:`encode`, in the supervisor; kinds that equal no JSON value become a plain object."""
    if not isinstance(value, list):
        return value
    if not value:
        return object()
    kind, items = value[0], value[1:]
    if kind == "list":
        return [decode(item) for item in items]
    if kind == "tuple":
        return tuple(decode(item) for item in items)
    if kind == "dict":
        try:
            return {decode(key): decode(item) for key, item in items}
        except (TypeError, ValueError):
            return object()
    if kind == "number" and len(items) == 1:
        try:
            # a short text may spell a number of which no computer can write out all digits
            exponent = int(str(items[0]).lower().partition("e")[2] or 0)
            return fractions.Fraction(items[0]) if abs(exponent) <= INT_DIGITS else object()
        except (TypeError, ValueError, ArithmeticError):
            return object()
    return object()
