"""Chain-of-Function prompts, extraction and rules in every language: the worked example is the yardstick."""

from __future__ import annotations

import shutil

import pytest

from dreamprm_code.grading import grade
from dreamprm_code.languages import LANGUAGES, LanguageError
from dreamprm_code.prompts import prompt_fingerprint, retry_message, solution_messages
from dreamprm_code.records import Problem
from dreamprm_code.steps import cof_violations, extract_code, split_program
from dreamprm_code.templates import TemplateError

OTHERS = tuple(name for name in LANGUAGES if name != "python")
RUNS = Problem.from_tests([("7\n1 1 2 2 2 3 3\n", "3 1\n"), ("4\n5 5 6 6\n", "2 2\n")])


def example(language: str) -> str:
    return solution_messages(RUNS, "cof", language)[1]["content"]


@pytest.mark.parametrize("language", OTHERS)
def test_the_worked_example_follows_its_own_rules(language):
    code = extract_code(example(language), language)
    assert cof_violations(code, None, language) == []
    steps = split_program(code, language=language)
    assert steps.fallback is None and len(steps.steps) >= 3
    assert steps.steps[0].name in ("main", "Main.main")


@pytest.mark.parametrize("language", OTHERS)
def test_the_worked_example_is_right(language):
    toolchain = LANGUAGES[language].toolchain
    assert toolchain is not None
    if not all(map(shutil.which, toolchain.commands)):
        pytest.skip(f"no compiler for {language} here")
    result = grade(RUNS, extract_code(example(language), language), language=language)
    assert result.passed, result.reason


@pytest.mark.parametrize("language", OTHERS)
def test_what_breaks_the_rules_is_named(language):
    code = extract_code(example(language), language)
    comment = "//" if language != "java" else "    //"
    without = "\n".join(line for line in code.split("\n") if not line.startswith(comment))
    kinds = [str(violation.kind) for violation in cof_violations(without, None, language)]
    assert kinds == ["missing_docstring"] * len(split_program(code, language=language).steps)
    cut = code[: len(code) * 2 // 3]
    assert [str(violation.kind) for violation in cof_violations(cut, None, language)] == ["unparsable"]
    last = split_program(code, language=language).steps[-1].name.rpartition(".")[2]
    unused = code.replace(f"{last}(", f"{last}_2(", 1) if language != "cpp" else code.replace(f" {last}(numbers)", " {1}", 1)
    assert "unused_helper" in {str(violation.kind) for violation in cof_violations(unused, None, language)}


def test_nested_functions_wrong_order_and_a_missing_call_are_named():
    code = "// a\nfunction helper() {\n    function inner() {}\n    return inner();\n}\n// b\nfunction main() { helper(); }\n"
    assert [str(violation.kind) for violation in cof_violations(code, None, "javascript")] == [
        "main_not_first",
        "nested_function",
        "unused_helper",  # main
        "not_one_final_call",
    ]
    assert [str(violation.kind) for violation in cof_violations("// all\nint main() { return 0; }", None, "cpp")] == [
        "no_helper"
    ]
    assert [str(violation.kind) for violation in cof_violations("x = 1;", None, "javascript")] == ["no_function"]


@pytest.mark.parametrize(
    ("answer", "language", "code"),
    [
        ("Sure:\n```cpp\nint main() {}\n```\nDone.", "cpp", "int main() {}"),
        ("```c++\nint main() {}\n```", "cpp", "int main() {}"),
        ("```\n3\n6\n```\n```js\nfunction f() {}\n```\n```\n6\n```", "javascript", "function f() {}"),
        ("```java\nclass A {}\n```\n```java\nclass Main { void f() {} }\n```", "java", "class Main { void f() {} }"),
        ("```python\nprint(1)\n```", "go", ""),
        ("```text\nfn main() {}\n```", "rust", "fn main() {}"),
        ("package main\n\nfunc main() {}\n", "go", "package main\n\nfunc main() {}"),
        ("#include <cstdio>\nint main() { if (", "cpp", "#include <cstdio>\nint main() { if ("),
        ("I cannot solve this.", "cpp", ""),
        ("<think>```cpp\nint main() {}\n```", "cpp", ""),
    ],
)
def test_the_program_of_an_answer(answer, language, code):
    assert extract_code(answer, language) == code


@pytest.mark.parametrize("style", ["cof", "plain"])
@pytest.mark.parametrize("language", OTHERS)
def test_a_prompt_names_its_language_and_is_part_of_what_decides_the_rows(style, language):
    asked = solution_messages(RUNS, style, language)[-1]["content"]
    assert LANGUAGES[language].title in asked and "{{" not in asked
    assert prompt_fingerprint(language=language) not in {prompt_fingerprint(), prompt_fingerprint(True, language)}
    assert f"one {LANGUAGES[language].title} code block" in retry_message(["main is missing"], language)["content"]


@pytest.mark.parametrize("style", ["cof", "plain"])
@pytest.mark.parametrize(
    ("language", "header"), [("rust", "pub fn add_all(argument_1: Vec<f64>) -> f64 {"), ("go", "func addAll(")]
)
def test_a_function_is_asked_for_with_the_header_of_its_language(style, language, header):
    problem = Problem.from_tests([(([1.5, 2],), 3.5)], func_name="addAll")
    asked = solution_messages(problem, style, language)[-1]["content"]
    assert header in asked and LANGUAGES[language].title in asked and "{{" not in asked


def test_a_function_that_the_tests_call_comes_first_in_any_spelling():
    right = "impl Solution {\n    /// Plan.\n    pub fn add_all(x: i32) -> i32 { one(x) }\n}\n\n"
    right += "/// One.\nfn one(x: i32) -> i32 { x }\n"
    assert cof_violations(right, "addAll", "rust") == []
    assert [str(violation.kind) for violation in cof_violations(right, "other", "rust")] == ["main_not_first"]
    plain = "// Plan.\nfunction f(x) { return g(x); }\n\n// Help.\nfunction g(x) { return x; }\n"
    assert cof_violations(plain, "f", "javascript") == []


def test_what_there_is_in_python_only_is_said():
    with pytest.raises(TemplateError, match="cannot call a function in Go: parameter argument_1 is an object"):
        solution_messages(Problem.from_tests([(({"a": 1},), 1)], func_name="f"), "cof", "go")
    with pytest.raises(LanguageError, match="'perl' is not known"):
        solution_messages(RUNS, "cof", "perl")
