"""Where our verdicts differ from those of LiveCodeBench's own grader, and its result codes.

``compat="livecodebench"`` reproduces that grader's rules, but for the three lines of :data:`KEPT_IN_COMPAT_MODE`.
"""

from __future__ import annotations

from typing import NamedTuple

from dreamprm_code.records import Verdict


class Difference(NamedTuple):
    topic: str
    official: str
    ours: str


DIFFERENCES = (
    Difference(
        "standard input",
        "Replaced in the interpreter: open(0), /dev/stdin, os.read, sys.stdin.buffer, iteration over sys.stdin, fileinput, and "
        "read() after readline() fail or give wrong text; past the end, input() raises StopIteration.",
        "A real pipe at descriptor 0.",
    ),
    Difference(
        "standard output",
        "sys.stdout is replaced: output of os.write, of exit handlers and of threads that outlive the main function is lost.",
        "A real pipe at descriptor 1, read to the end of the process.",
    ),
    Difference(
        "structure of stdin programs",
        "The text becomes the body of a function that runs once per test in one process: global, class Solution, "
        "from __future__, import * below the top level break, and state is carried from test to test.",
        "A new process for each test runs the text as __main__.",
    ),
    Difference(
        "names without import",
        "Stdin programs find the names of 18 modules (math, collections, ...) and a recursion limit of 50,000.",
        "Only functional programs do, as on LeetCode; stdin programs get a plain interpreter.",
    ),
    Difference(
        "disabled functions",
        "os.kill, os.remove, os.getcwd, subprocess.Popen, quit and others are None; resource and psutil cannot be imported.",
        "Everything may be called; the sandbox bounds what it can do.",
    ),
    Difference(
        "time",
        "6 s of wall clock for each test, by an alarm that a program can switch off or swallow.",
        "6 s of CPU time of the whole process tree, and 12 s of sleep; the host's load does not count.",
    ),
    Difference(
        "memory and output", "Not limited.", "4 GiB of memory and 16 MiB of output for each test: verdicts of their own."
    ),
    Difference(
        "exit status",
        "sys.exit(1) after the right output passes.",
        "A status other than 0 is a runtime error, as at a judge.",
    ),
    Difference(
        "numbers in output",
        "Whatever Decimal reads is a number: 2_0 for 20, 10 for 0010.",
        "Only plain decimal notation, and zeros in front are kept where the expected output has them.",
    ),
    Difference(
        "tolerance",
        "Decimals must be equal.",
        "An absolute or relative error that the statement grants is granted, in output and in results.",
    ),
    Difference(
        "results of functions",
        "Compared by the program's own objects (an __eq__ can say yes to everything); only an outer tuple equals a list.",
        "Compared as JSON: tuples at any depth are lists, numpy scalars and arrays are numbers and lists; a set is wrong.",
    ),
    Difference(
        "state of functions",
        "One Solution object for all tests; a plain function is not found if the text says 'class Solution'.",
        "A new Solution object for each test, as on LeetCode; a plain function is found as well.",
    ),
)
"""Quoted by the README."""

KEPT_IN_COMPAT_MODE = (
    "Time is CPU time, not wall time, and cannot be switched off by the program.",
    "A program's own __eq__ is never asked: a result counts as the plain value that it holds.",
    "Programs run in the sandbox, with its limits on memory, processes and files.",
)

RESULT_CODES = {
    Verdict.PASSED: True,
    Verdict.WRONG_ANSWER: -2,
    Verdict.TIME_LIMIT: -3,
    Verdict.RUNTIME_ERROR: -4,
    Verdict.MEMORY_LIMIT: -4,
    Verdict.OUTPUT_LIMIT: -4,
    Verdict.COMPILE_ERROR: -4,
    Verdict.NO_CODE: -4,
    Verdict.HARNESS_ERROR: -5,
}
"""LiveCodeBench's result codes; one that it has no code for is a runtime error there."""
