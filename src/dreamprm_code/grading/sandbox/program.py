"""The program's own process: run its text as a real ``__main__``, or call its function with each test's arguments.

Nothing here is trusted by anyone else. Results of functional tests leave as JSON: the supervisor compares data, never
objects of the program.
"""

from __future__ import annotations

import _thread
import atexit
import builtins
import io
import json
import os
import random
import signal
import sys
import time
import types
from collections.abc import Callable
from typing import Any

INT_DIGITS = 50_000
"""Longest integer that may become text or be read from it, as in LiveCodeBench's grader."""

PRELUDE_MODULES = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics", "itertools",
    "functools", "operator", "io", "sys", "json", "builtins", "typing",
)  # fmt: skip
"""LeetCode offers their names without import, LiveCodeBench's grader in this order (later names win)."""

_PRELUDE_AS_MODULES = PRELUDE_MODULES[:16]
FUNCTIONAL_RECURSION_LIMIT = 50_000

_loads = json.loads
_encoder = json.JSONEncoder(default=None)


def prelude() -> dict[str, Any]:
    """The names that a LeetCode program may use without importing them."""
    names: dict[str, Any] = {}
    for module in PRELUDE_MODULES:
        exec(f"from {module} import *", names)
    for module in _PRELUDE_AS_MODULES:
        exec(f"import {module}", names)
    del names["__builtins__"]
    return names


def prepare_interpreter(input_fd: int, output_fd: int, error_fd: int, depth: int) -> None:
    """Make the interpreter look new: streams, signals, arguments, module table, random state."""
    for number, fd in enumerate((input_fd, output_fd, error_fd)):
        os.dup2(fd, number, inheritable=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)
    sys.argv = ["solution.py"]
    sys.set_int_max_str_digits(INT_DIGITS)
    sys.setrecursionlimit(1000 + depth)
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)


def run_as_main(code: types.CodeType) -> int:
    """Execute a program as ``__main__`` and do what the interpreter does at exit; returns the exit status."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    module.__dict__["__file__"] = "solution.py"
    sys.modules["__main__"] = module
    status = 0
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        status = _report(error)
    return _finish(status)


def _report(error: BaseException) -> int:
    """What the interpreter does with an exception that nobody caught."""
    try:
        if isinstance(error, SystemExit):
            if error.code is None:
                return 0
            if isinstance(error.code, int):
                return error.code & 0xFF
            sys.stderr.write(f"{error.code}\n")
            return 1
        trace = error.__traceback__
        sys.excepthook(type(error), error, trace.tb_next if trace is not None else None)
        sys.stderr.flush()
    except BaseException:
        os.write(2, f"{type(error).__name__}\n".encode())
    return 1


def _finish(status: int) -> int:
    """Wait for threads, run exit handlers, flush: the visible part of an interpreter's end."""
    try:
        if _thread._count():
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
    except BaseException as error:
        status = _report(error)
    for name in ("stdout", "stderr"):
        for stream in {id(s): s for s in (getattr(sys, name, None), getattr(sys, f"__{name}__", None))}.values():
            try:
                if stream is not None and not stream.closed:
                    stream.flush()
            except BaseException:
                if name == "stdout" and status == 0:
                    status = 120  # as the interpreter
    return status


class NotData(Exception):
    """A result that JSON cannot carry; the message names its type."""


def as_json(value: Any) -> str:
    """A result as JSON; tuples become lists, numpy's scalars and arrays plain numbers and lists.

    Raises:
        NotData: anything else that is not JSON, for example a set or a dict whose keys are not strings.
    """
    text = _dumps(value)
    if "{" in text:
        _check_keys(value)
    return text


def _as_plain(value: Any) -> Any:
    kind = type(value)
    if kind.__module__.partition(".")[0] == "numpy" and hasattr(kind, "tolist"):
        return value.tolist()
    raise NotData(f"a result of type {kind.__name__} is not data")


_dumps = json.JSONEncoder(default=_as_plain).encode


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotData(f"a result with a key of type {type(key).__name__} is not data")
            _check_keys(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_keys(item)


def run_functional(code: types.CodeType, names: dict[str, Any], func_name: str, inputs_fd: int, results_fd: int) -> int:
    """Load a program once, then call its function for each line of ``inputs_fd``; returns the exit status.

    A line of input is the JSON of a test's input text (one JSON value a line, the arguments). A line of results is
    ``status CPU-seconds JSON`` with status ``+`` (a value), ``-`` (no data: a message), ``!`` (an exception: a message) or
    ``?`` (the program could not be loaded: a message).
    """
    write, clock = os.write, time.process_time
    module = types.ModuleType("solution")
    module.__dict__.update(names)
    module.__dict__["__builtins__"] = builtins
    sys.modules["solution"] = module
    sys.setrecursionlimit(FUNCTIONAL_RECURSION_LIMIT)

    def send(status: str, started: float, text: str) -> None:
        write_all(write, results_fd, f"{status} {clock() - started:.6f} {text}\n".encode("ascii", "backslashreplace"))

    started = clock()
    try:
        exec(code, module.__dict__)
        make = method_maker(module, func_name)
    except BaseException as error:
        send("?", started, json.dumps(describe(error)))
        return 1
    with io.FileIO(inputs_fd, closefd=False) as raw, io.BufferedReader(raw, 1 << 16) as lines:
        for line in lines:
            started = clock()
            try:
                arguments = [_loads(part) for part in _loads(line).split("\n")]
                text = as_json(make()(*arguments))
            except NotData as error:
                send("-", started, _dumps(str(error)))
            except BaseException as error:
                send("!", started, _dumps(describe(error)))
                return 1
            else:
                send("+", started, text)
    return 0


def write_all(write: Callable[[int, bytes], int], fd: int, data: bytes) -> None:
    while data:
        data = data[write(fd, data) :]


def describe(error: BaseException) -> str:
    """``Type: message`` in one short line."""
    try:
        message = str(error)
    except BaseException:
        message = ""
    return f"{type(error).__name__}: {message}"[:300] if message else type(error).__name__


def method_maker(module: types.ModuleType, func_name: str) -> Callable[[], Callable[..., Any]]:
    """What gives the function for each test: of a new ``Solution`` where there is one, as LeetCode does, else a plain function.

    Raises:
        AttributeError: the program defines neither.
    """
    solution = module.__dict__.get("Solution")
    if isinstance(solution, type) and hasattr(solution, func_name):
        return lambda: getattr(solution(), func_name)
    function = module.__dict__.get(func_name)
    if callable(function):
        return lambda: function
    raise AttributeError(f"the program defines neither Solution.{func_name} nor {func_name}")
