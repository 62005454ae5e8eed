"""Splitter and grader on programs in C++, Java, JavaScript, Go and Rust, as far as their compilers are here.

    python benchmarks/languages.py references               the demo's reference programs: split, built, passed
    python benchmarks/languages.py humaneval_x              HumanEval-X: references split, build and pass; a mutated one fails
    python benchmarks/languages.py functional               these references called by the drivers, with HumanEval's tests
    python benchmarks/languages.py signatures               functional problems of four sets whose types are plain
    python benchmarks/languages.py hostile --repeat 5       hostile programs in C++ and JavaScript, verdicts equal every time

HumanEval-X and the other sets are read from ../shared/data (``--data``); they are not part of this repository.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "tests" / "grading")]

from dreamprm_code.grading import Grader, GradeRequest, GradeResult, GraderSettings  # noqa: E402
from dreamprm_code.grading.sandbox.built_tests import Toolchain, error_in  # noqa: E402
from dreamprm_code.grading.toolchains import find_toolchains  # noqa: E402
from dreamprm_code.jsonl import read_rows  # noqa: E402
from dreamprm_code.languages import LANGUAGES  # noqa: E402
from dreamprm_code.problems import load_problems  # noqa: E402
from dreamprm_code.problems.signatures import SignatureError, signature_of_problem  # noqa: E402
from dreamprm_code.records import Problem  # noqa: E402
from dreamprm_code.steps import split_program  # noqa: E402

OTHERS = [name for name in LANGUAGES if name != "python"]
SILENT = Problem.from_tests([("", "")], question_id="silent")

GO_SHIM = """
type testingT struct{}
type asserter struct{}
var assert asserter
func (asserter) New(t *testingT) asserter { return asserter{} }
func (asserter) Equal(want, got interface{}, _ ...interface{}) { if !reflect.DeepEqual(want, got) { os.Exit(1) } }
func (asserter) InDelta(a, b, by float64) { if a-b > by || b-a > by { os.Exit(1) } }
func (asserter) True(ok bool, _ ...interface{}) { if !ok { os.Exit(1) } }
func (asserter) False(ok bool, _ ...interface{}) { if ok { os.Exit(1) } }
func (asserter) Nil(x interface{}) { if x != nil && !reflect.ValueOf(x).IsNil() { os.Exit(1) } }
"""
GO_PACKAGES = {
    **{name: name for name in ("math", "strings", "strconv", "sort", "fmt", "bytes", "regexp", "unicode", "time")},
    **{"md5": "crypto/md5", "rand": "math/rand", "big": "math/big", "hex": "encoding/hex"},
}

MUTATIONS = (
    ("==", "!="), ("<=", ">"), (">=", "<"), (" < ", " >= "), (" > ", " <= "), ("<", ">="), (">", "<="), ("&&", "||"),
    ("+=", "-="), ("%", "*"), (" + ", " - "), ("+", "-"), ("true", "false"), ("false", "true"), ("*", "+"), (" - ", " + "),
    ("0", "1"), ("1", "2"), ("-", "+"), ("max", "min"), ("min", "max"), ("push_back", "assign"), ("return ", "return !"),
    ("2", "3"), ("i", "1"), (".add(", ".remove("), (".rev()", ""), (".reversed()", ""), (".sum()", ".max().unwrap()"),
)  # fmt: skip
"""What is replaced to break a program, one place at a time."""


def with_tests(language: str, row: dict[str, str], body: str) -> str:
    """One program that exits with a status other than 0 where a test of HumanEval-X fails."""
    code, test = row["declaration"] + body, row["test"]
    if language == "javascript":
        return f"console.assert = (ok) => {{ if (!ok) process.exit(1); }};\n{code}\n{test}"
    if language == "go":
        head = re.sub(r"import (\([^)]*\)|\S+)", "", row["prompt"])  # the declaration lacks the functions that four call
        text = f"{head}{body}\n{test}".replace("*testing.T", "*testingT")
        called = re.sub(r"//.*", "", text)
        used = sorted({path for name, path in GO_PACKAGES.items() if re.search(rf"\b{name}\.\w", called)} | {"os", "reflect"})
        name = re.search(r"func (Test\w+)", test)
        assert name is not None
        imports = "".join(f'\t"{path}"\n' for path in used)
        return f"package main\n\nimport (\n{imports})\n{GO_SHIM}\n{text}\nfunc main() {{ {name[1]}(&testingT{{}}) }}\n"
    if language == "rust":
        code = re.sub(r"^use (rand|regex|md5)\b.*;\n", "", code, flags=re.MULTILINE)
        code = re.sub(r"fn main\s*\(\s*\)\s*\{\s*\}", "", code)
        tests = re.findall(r"#\[test\]\s*(?:pub )?fn (\w+)\(\)", test)
        test = re.sub(r"#\[(cfg\(test\)|test)\]", "", test).replace("fn ", "pub fn ")
        return f"{code}\n{test}\nfn main() {{ {' '.join(f'tests::{name}();' for name in tests)} }}\n"
    return f"{code}\n{test}"


def humaneval_x_rows(data: Path, language: str) -> list[dict[str, str]]:
    path = data / "humaneval_x" / f"{'js' if language == 'javascript' else language}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def without_tests(language: str, row: dict[str, str]) -> str:
    """A reference as a program that only defines its function."""
    code = row["declaration"] + row["canonical_solution"]
    if language == "go":
        code = re.sub(r"import (\([^)]*\)|\S+)", "", row["prompt"]) + row["canonical_solution"]
        told = re.sub(r"//.*", "", code)
        used = [path for name, path in GO_PACKAGES.items() if re.search(rf"\b{name}\.\w", told)]
        return "package main\n\n" + "".join(f'import "{path}"\n' for path in used) + code
    return re.sub(r"^use (rand|regex|md5)\b.*;\n", "", code, flags=re.MULTILINE) if language == "rust" else code


def count_mutants(counts: Counter[str], name: str, results: Iterator[GradeResult]) -> None:
    """Run mutants of a reference until one fails."""
    counts["references mutated"] += 1
    for result in results:
        if result.verdict != "compile_error":  # it says nothing about the tests
            counts["mutants run"] += 1
            if not result.passed:
                counts["references with a mutant that fails"] += 1
                return
    print(f"  {name}: no mutant fails", flush=True)


def functional(args: argparse.Namespace) -> None:
    problems = {row.question_id.rpartition("/")[2]: row for row in load_problems(args.data / "humaneval" / "problems.jsonl")}
    for language in filter(is_here, args.only):
        rows = {row["task_id"].rpartition("/")[2]: row for row in humaneval_x_rows(args.data, language)[:: args.every]}
        requests = [
            GradeRequest(number, problems[number], without_tests(language, row), language)
            for number, row in rows.items()
            if number in problems
        ]
        started = time.monotonic()
        with Grader(GraderSettings(workers=args.workers, languages=(language,))) as grader:
            results = list(grader.grade(requests))
        counts = Counter(str(result.verdict) for result in results)
        print(f"{language}: {dict(counts)} in {time.monotonic() - started:.0f} s", flush=True)
        for result in results:
            if not result.passed:
                print(f"  HumanEval/{result.key}: {result.verdict}: {result.reason}", flush=True)


def signatures(args: argparse.Namespace) -> None:
    for name in ("leetcode", "livecodebench", "humaneval", "mbpp"):
        refused: Counter[str] = Counter()
        called = [row for row in load_problems(args.data / name / "problems.jsonl") if row.func_name is not None]
        for problem in called:
            try:
                signature_of_problem(problem)
            except SignatureError as error:
                refused[re.sub(r"parameter \w+", "a parameter", str(error))] += 1
        print(f"{name}: {len(called) - refused.total()} of {len(called)} functional problems have plain types")
        for why, count in refused.most_common():
            print(f"  {count}: {why}")


def mutants(body: str) -> Iterator[str]:
    for old, new in MUTATIONS:
        if old in body:
            yield body.replace(old, new, 1)


def submit(grader: Grader, language: str, row: dict[str, str], body: str) -> Future[GradeResult]:
    return grader.submit(GradeRequest(row["task_id"], SILENT, with_tests(language, row, body), language))


def outside(language: str, code: str, settings: GraderSettings) -> str | None:
    """Build and run a program that is known to be harmless without any sandbox and limit but a minute, by the same commands:
    None if it ends as it should, else what it says."""
    build, run = Toolchain(**find_toolchains([language]).commands[language]).commands(code, settings.limits())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / build.source).write_text(code, encoding="utf-8")
        runs = [[*run.argv[:-2], "-cp", "classes", "Main"]] if language == "java" else [run.argv]
        for argv in (build.argv, *runs):
            values = {"{tmp}": folder, "{stack_kb}": "8000"}
            argv = [_filled(text, values) for text in (argv if "/" in argv[0] else [f"./{argv[0]}", *argv[1:]])]
            environment = {name: _filled(text, values) for name, text in build.environment.items()}
            done = subprocess.run(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            if done.returncode:
                lines = error_in(done.stderr).decode("utf-8", "replace").strip().splitlines()
                named = [line for line in lines if re.search(r"\berror\b", line)] or lines[-1:] or ["nothing"]
                return f"status {done.returncode}: {named[0]}"
    return None


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def humaneval_x(args: argparse.Namespace) -> None:
    total: Counter[str] = Counter()
    for language in args.only:
        rows = humaneval_x_rows(args.data, language)[:: args.every]
        fallbacks = [
            row["task_id"]
            for row in rows
            if split_program(row["declaration"] + row["canonical_solution"] + row["test"], language=language).fallback
        ]
        total.update(references=len(rows), fallbacks=len(fallbacks))
        print(f"{language}: {len(rows)} references, split with {len(fallbacks)} fallbacks {fallbacks or ''}", flush=True)
        if not is_here(language):
            continue
        started = time.monotonic()
        counts: Counter[str] = Counter()
        with Grader(GraderSettings(workers=args.workers, cpu_limit_s=2, languages=(language,))) as grader:
            results = [(row, submit(grader, language, row, row["canonical_solution"])) for row in rows]
            for number, (row, future) in enumerate(results):
                result = future.result()
                counts[f"reference {result.verdict}"] += 1
                if not result.passed:
                    print(f"  {row['task_id']}: {result.verdict}: {result.reason}", flush=True)
                    said = outside(language, with_tests(language, row, row["canonical_solution"]), grader.settings)
                    counts["references that fail outside of the sandbox, too"] += said is not None
                    print(f"    outside of the sandbox: {said or 'passes'}", flush=True)
                    continue
                if not args.mutate_every or number % args.mutate_every:
                    continue
                verdicts = (submit(grader, language, row, body).result() for body in mutants(row["canonical_solution"]))
                count_mutants(counts, row["task_id"], verdicts)
        print(f"  {dict(counts)} in {time.monotonic() - started:.0f} s", flush=True)
    share = total["fallbacks"] / total["references"]
    print(f"all: {total['fallbacks']} fallbacks of {total['references']} references ({share:.2%})")


def references(args: argparse.Namespace) -> None:
    problems = {row.question_id: row for row in read_rows(ROOT / "data/demo/problems.jsonl", Problem)}
    wrong = 0
    for language in args.only:
        paths = sorted((ROOT / "data/demo/languages" / language).iterdir())
        codes = {path.stem: path.read_text(encoding="utf-8") for path in paths}
        split = [split_program(code, language=language) for code in codes.values()]
        steps = Counter(len(found.steps) for found in split if found.fallback is None)
        said = f"{language}: {len(codes)} references, {sum(steps.values())} split (steps: {dict(sorted(steps.items()))})"
        if is_here(language):
            started = time.monotonic()
            with Grader(GraderSettings(workers=args.workers, languages=(language,))) as grader:
                requests = [GradeRequest(name, problems[name], code, language) for name, code in codes.items()]
                results = list(grader.grade(requests))
                counts: Counter[str] = Counter()
                for request in requests[:: args.mutate_every] if args.mutate_every else ():
                    mutated = (grader.submit(request._replace(code=code)).result() for code in mutants(request.code))
                    count_mutants(counts, str(request.key), mutated)
            failed = [f"{result.key}: {result.verdict}: {result.reason}" for result in results if not result.passed]
            wrong += len(failed)
            said += f", {len(results) - len(failed)} pass {sum(result.num_tests for result in results)} tests {failed or ''}"
            said += f", {dict(counts)}" if counts else ""
            said += f" in {time.monotonic() - started:.0f} s"
        print(said, flush=True)
    sys.exit(wrong > 0)


HOSTILE_LIMITS = {"cpu_limit_s": 2.0, "sleep_limit_s": 6.0, "memory_limit_mb": 1024}
"""A machine with much else to do needs more than 1.5 s to read 16 MiB that a program prints."""


def hostile(args: argparse.Namespace) -> None:
    from attacks_in_languages import LANGUAGE_ATTACKS, run_language_attacks, unfair

    runs = []
    for number in range(1, args.repeat + 1):
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            verdicts, wrong = run_language_attacks(list(LANGUAGE_ATTACKS), Path(folder), HOSTILE_LIMITS)
        runs.append(verdicts)
        print(
            f"run {number}: {len(LANGUAGE_ATTACKS)} attacks in {time.monotonic() - started:.0f} s; undeserved verdicts: "
            f"{unfair(list(LANGUAGE_ATTACKS), verdicts) or 'none'}; changed on the host: {wrong or 'nothing'}",
            flush=True,
        )
    differing = {name: [run[name] for run in runs] for name in runs[0] if len({run[name] for run in runs}) > 1}
    print(f"verdicts of {len(runs)} runs: {f'different: {differing}' if differing else 'identical'}")


def is_here(language: str) -> bool:
    toolchain = LANGUAGES[language].toolchain
    here = toolchain is not None and all(map(shutil.which, toolchain.commands))
    if not here:
        print(f"{language}: no compiler here")
    return here


def main() -> None:
    commands = {function.__name__: function for function in (references, humaneval_x, functional, signatures, hostile)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=commands)
    parser.add_argument("--only", nargs="*", choices=OTHERS, default=OTHERS)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--every", type=int, default=1, help="of HumanEval-X, every so many-th problem")
    parser.add_argument("--mutate-every", type=int, default=8, help="mutate every so many-th reference (0: none)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5, help="runs of hostile")
    args = parser.parse_args()
    commands[args.command](args)


if __name__ == "__main__":
    main()
