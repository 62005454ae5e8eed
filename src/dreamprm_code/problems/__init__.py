"""Programming problems: where they come from, their unit tests, and their split by contest date or by a file.

>>> problems = load_problems("data/demo/problems.jsonl")
>>> split = split_by_windows(problems, {"train": Window(None, "2024-08-01"), "test": Window("2025-02-01", None)})
>>> test_cases(problems[0]).public[0].input
"""

from dreamprm_code.problems.livecodebench import read_livecodebench_results, write_livecodebench_results
from dreamprm_code.problems.sources import ProblemError, iter_problems, load_problems
from dreamprm_code.problems.splits import Split, SplitError, make_split, read_split, split_by_file
from dreamprm_code.problems.unit_tests import ProblemTests, TestCase, TestCaseError, encode_test_cases, test_cases
from dreamprm_code.problems.windows import Window, WindowError, WindowSplit, split_by_windows, windows_from

__all__ = [
    "ProblemError",
    "ProblemTests",
    "Split",
    "SplitError",
    "TestCase",
    "TestCaseError",
    "Window",
    "WindowError",
    "WindowSplit",
    "encode_test_cases",
    "iter_problems",
    "load_problems",
    "make_split",
    "read_livecodebench_results",
    "read_split",
    "split_by_file",
    "split_by_windows",
    "test_cases",
    "windows_from",
    "write_livecodebench_results",
]
