"""Make the demo's problems.jsonl and references.jsonl from their sources, one TOML file per problem.

A source file holds title, date, difficulty, the statement, the inputs of public and private tests, a reference program, and for
simple problems a second solution in another way (brute_force). Expected outputs are what the reference gives; the second
solution must give the same, and the reference must follow the Chain-of-Function rules.

    python src/build_demo.py
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import write_rows
from dreamprm_code.problems import TestCase, encode_test_cases
from dreamprm_code.records import Problem, Solution, Verdict
from dreamprm_code.settings import FrozenSettings
from dreamprm_code.steps import cof_violations

REQUIRED = {"title", "date", "difficulty", "statement", "public", "private", "reference"}
OPTIONAL = {"brute_force", "func_name", "starter_code"}


class Settings(FrozenSettings):
    source: Path = Field(Path("data/demo/source"), description="folder of NNN_name.toml files")
    out: Path = Field(Path("data/demo"), description="folder for problems.jsonl and references.jsonl")


def main(settings: Settings) -> None:
    paths = sorted(settings.source.glob("*.toml"))
    if not paths:
        raise UserError(f"{settings.source}: holds no problem sources (NNN_name.toml)")
    built = [build(path) for path in paths]
    write_rows(settings.out / "problems.jsonl", [problem for problem, _ in built])
    write_rows(settings.out / "references.jsonl", [reference for _, reference in built])
    print(f"{len(built)} problems and as many reference programs in {settings.out}")


def build(path: Path) -> tuple[Problem, Solution]:
    """One problem and its reference program; raises UserError naming the file."""
    source = read_source(path)
    question_id = f"demo_{path.name.split('_')[0]}"
    func_name = source.get("func_name")
    reference = source["reference"].strip("\n")
    violations = cof_violations(reference, func_name)
    if violations:
        raise UserError(f"{path}: the reference breaks the Chain-of-Function rules: {violations[0].detail}")
    tests = {name: [test(path, source, text) for text in source[name]] for name in ("public", "private")}
    inputs = [case.input for case in tests["public"] + tests["private"]]
    if len(set(inputs)) < len(inputs):
        raise UserError(f"{path}: two tests have one input")
    problem = Problem(
        question_id=question_id,
        question_title=source["title"],
        question_content=source["statement"].strip("\n") + "\n\n" + sample(tests["public"][0], source.get("starter_code", "")),
        platform="demo",
        contest_id=f"demo_{source['date']:%Y_%m}",
        contest_date=f"{source['date'].isoformat()}T00:00:00",
        starter_code=source.get("starter_code", "").strip("\n"),
        difficulty=source["difficulty"],
        public_test_cases=encode_test_cases(tests["public"]),
        private_test_cases=encode_test_cases(tests["private"]),
        metadata=json.dumps({"func_name": func_name} if func_name else {}),
    )
    solution = Solution(
        question_id=question_id,
        solution_idx=0,
        output=f"```python\n{reference}\n```",
        code=reference,
        finish_reason="written",
        passed=True,
        verdict=Verdict.PASSED,
    )
    return problem, solution


def read_source(path: Path) -> dict[str, Any]:
    """The file's settings, all there and none unknown; raises UserError."""
    try:
        source = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML ({error})") from None
    wrong = sorted((REQUIRED - source.keys()) | (source.keys() - REQUIRED - OPTIONAL))
    if wrong:
        raise UserError(f"{path}: setting '{wrong[0]}' is missing or unknown")
    return source


def test(path: Path, source: dict[str, Any], text: str) -> TestCase:
    """A test with the reference's output, checked against the second solution where there is one."""
    func_name = source.get("func_name")
    output = run(source["reference"], text, func_name)
    if not output.strip():
        raise UserError(f"{path}: the reference gives no output for {text!r}")
    if "brute_force" in source:
        other = run(source["brute_force"], text, func_name)
        if other.split() != output.split():
            raise UserError(f"{path}: for {text!r} the reference gives {output!r}, the second solution {other!r}")
    return TestCase(text, output, "functional" if func_name else "stdin")


def run(code: str, text: str, func_name: str | None) -> str:
    """Run one of the demo's own, trusted programs in this process: its standard output, or its result as JSON."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed, stdin = io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(text)
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "<reference>", "exec"), namespace)
            if func_name is None:
                return printed.getvalue()
            arguments = [json.loads(line) for line in text.split("\n")]
            return json.dumps(getattr(namespace["Solution"](), func_name)(*arguments))
    finally:
        sys.stdin = stdin


def sample(case: TestCase, starter_code: str) -> str:
    """The first public test as the statement shows it."""
    if case.testtype == "stdin":
        return f"Sample Input 1:\n{case.input.rstrip()}\n\nSample Output 1:\n{case.output.rstrip()}"
    (function,) = [node for node in ast.walk(ast.parse(starter_code.rstrip() + " pass")) if isinstance(node, ast.FunctionDef)]
    names = [argument.arg for argument in function.args.args if argument.arg != "self"]
    values = ", ".join(f"{name} = {value}" for name, value in zip(names, case.input.split("\n"), strict=True))
    return f"Example 1:\nInput: {values}\nOutput: {case.output}"


if __name__ == "__main__":
    run_stage(Settings, "build_demo", __doc__, main)
