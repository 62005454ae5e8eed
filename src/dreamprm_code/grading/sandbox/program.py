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
import marshal
import os
import random
import sys
import time
import types
from collections.abc import Callable
from typing import Any, Literal

INT_DIGITS = 50_000
"""Longest integer that may become text or be read from it, as in LiveCodeBench's grader."""

PRELUDE_MODULES = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics", "itertools",
    "functools", "operator", "io", "sys", "json", "builtins", "typing",
)  # fmt: skip
"""LeetCode offers their names without import, LiveCodeBench's grader in this order (later names win)."""

PRELUDE_AS_MODULES = PRELUDE_MODULES[:16]
FUNCTIONAL_RECURSION_LIMIT = 50_000

NOT_COMPILED = b"!"
"""Where a program's code would lie, the first byte of the compiler's complaint (marshalled code begins otherwise)."""

_DEPTH = 8  # frames between the interpreter's start and the program, which the recursion limit shall not count
_loads = json.loads


def names_with_prelude() -> dict[str, Any]:
    """The built-in names, and those that a LeetCode program may use without importing them.

    They serve a program as its built-in names: found last, as if imported first, and shared by all programs without a copy.
    """
    names: dict[str, Any] = {}
    for module in PRELUDE_MODULES:
        exec(f"from {module} import *", names)
    for module in PRELUDE_AS_MODULES:
        exec(f"import {module}", names)
    del names["__builtins__"]
    return vars(builtins) | names


def make_streams() -> None:
    """Standard streams as of a process whose descriptors 0, 1 and 2 are pipes; made once, used by every program."""
    saved = [os.dup(fd) for fd in range(3)]
    read_end, write_end = os.pipe()
    try:
        for fd, end in ((0, read_end), (1, write_end), (2, write_end)):
            os.dup2(end, fd)
        sys.stdin = sys.__stdin__ = _stream(0, "r")  # type: ignore[misc]  # what a program may read
        sys.stdout = sys.__stdout__ = _stream(1, "w")  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = _stream(2, "w", errors="backslashreplace", buffering=1)  # type: ignore[misc]
    finally:
        for fd, old in enumerate(saved):
            os.dup2(old, fd)
            os.close(old)
        os.close(read_end)
        os.close(write_end)


def _stream(fd: int, mode: Literal["r", "w"], **settings: Any) -> io.TextIOWrapper:
    return open(fd, mode, encoding="utf-8", closefd=False, **settings)


def prepare_interpreter() -> None:
    """Make the zygote's interpreter look new to every program: arguments, limits, random state."""
    sys.argv = ["solution.py"]
    sys.set_int_max_str_digits(INT_DIGITS)
    sys.setrecursionlimit(1000 + _DEPTH)
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)


def read_all(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def compile_source(source: bytes) -> types.CodeType:
    """Compile a program's text; raises whatever the compiler raises, described by :func:`describe_compile_error`."""
    return compile(source, "solution.py", "exec", dont_inherit=True)


def describe_compile_error(error: BaseException) -> str:
    line = getattr(error, "lineno", None)
    return describe(error) + (f" (line {line})" if line and "line" not in str(error) else "")


def run_stdin(compiled: bool, keep_code: bool) -> int:
    """Run the program at descriptor 3 on the real standard streams; returns the exit status.

    The text is compiled in the first test; with ``keep_code`` its code is left at descriptor 4 for the tests after it. The
    compiler's complaint goes there too, after :data:`NOT_COMPILED`.
    """
    if compiled:
        code = marshal.loads(read_all(3))
    else:
        try:
            code = compile_source(read_all(3))
        except BaseException as error:
            write_all(4, NOT_COMPILED + describe_compile_error(error).encode("utf-8", "replace"))
            return 1
        if keep_code:
            write_all(4, marshal.dumps(code))
    os.closerange(3, 5)
    return run_as_main(code)


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


def run_functional(names: dict[str, Any], func_name: str) -> int:
    """Load the program at descriptor 3 once, then call its function for each line of standard input; returns the exit status.

    A line of input is the JSON of a test's input text (one JSON value a line, the arguments; none, no argument).
    A line of results, written to descriptor 4, is ``status CPU-seconds JSON`` with status ``+`` (a value), ``-`` (no data: a
    message), ``!`` (an exception: a message), ``?`` (the program could not be loaded: a message) or ``#`` (nor compiled: a
    message).
    """
    clock = time.process_time
    inputs = io.BufferedReader(io.FileIO(os.dup(0)), 1 << 16)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    started = clock()

    def send(status: str, text: str) -> None:
        write_all(4, f"{status} {clock() - started:.6f} {text}\n".encode("ascii", "backslashreplace"))

    source = read_all(3)
    os.close(3)  # the same file comes with the next process of these tests
    try:
        code = compile_source(source)
    except BaseException as error:
        send("#", _dumps(describe_compile_error(error)))
        return 1
    module = types.ModuleType("solution")
    module.__dict__["__builtins__"] = names
    sys.modules["solution"] = module
    sys.setrecursionlimit(FUNCTIONAL_RECURSION_LIMIT)
    try:
        exec(code, module.__dict__)
        make = method_maker(module, func_name)
    except BaseException as error:
        send("?", _dumps(describe(error)))
        return 1
    for line in inputs:
        started = clock()
        try:
            arguments = [_loads(part) for part in _loads(line).split("\n") if part.strip()]
            text = as_json(make()(*arguments))
        except NotData as error:
            send("-", _dumps(str(error)))
        except BaseException as error:
            send("!", _dumps(describe(error)))
            return 1
        else:
            send("+", text)
    return 0


def write_all(fd: int, data: bytes, write: Callable[[int, bytes], int] = os.write) -> None:
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
