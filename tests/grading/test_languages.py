"""Programs in other languages: built once in the sandbox, run by the same rules and limits, and gone afterwards."""

from __future__ import annotations

import shutil

import pytest

from builders.grading import LIMITS, PROBLEMS
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings, GradingError, grade
from dreamprm_code.languages import LANGUAGES

OTHERS = tuple(name for name in LANGUAGES if name != "python")


def is_missing(language: str) -> bool:
    toolchain = LANGUAGES[language].toolchain
    return toolchain is not None and not all(map(shutil.which, toolchain.commands))


@pytest.fixture(scope="module")
def verdict():
    """(verdict, reason) of a program; skips where its compiler is missing."""
    present = tuple(name for name in LANGUAGES if not is_missing(name))
    # room for the CPU time that a virtual machine takes beside other load, and for its waiting for memory: no program here is
    # meant to run into these
    limits = LIMITS | {"cpu_limit_s": 6, "sleep_limit_s": 6, "build_cpu_limit_s": 20, "build_memory_limit_mb": 512}
    settings = GraderSettings(languages=present, **limits)
    with Grader(settings) as grader:

        def run(language: str, code: str, problem: str = "double") -> tuple[str, str]:
            if language not in present:
                pytest.skip(f"no compiler for {language} here")
            result = grader.submit(GradeRequest(None, PROBLEMS[problem], code, language)).result(timeout=300)
            return str(result.verdict), result.reason

        yield run


RIGHT = {
    "cpp": "#include <cstdio>\nint main() { int n; scanf(\"%d\", &n); printf(\"%d\\n\", 2 * n); }",
    "java": "import java.util.*;\nclass Helper {}\npublic class Doubler {\n    public static void main(String[] args) {\n"
    "        System.out.println(2 * new Scanner(System.in).nextInt());\n    }\n}",
    "javascript": "const text = require('fs').readFileSync(0, 'utf8');\nif (require.main === module) console.log(2 * text);",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tvar n int\n\tfmt.Scan(&n)\n\tfmt.Println(2 * n)\n}',
    "rust": "fn main() {\n    let mut s = String::new();\n    std::io::stdin().read_line(&mut s).unwrap();\n"
    '    println!("{}", 2 * s.trim().parse::<i64>().unwrap());\n}',
}  # fmt: skip

FAILING = [
    ("cpp", "int main() { int* p = nullptr; *p = 1; }", "runtime_error", "killed by SIGSEGV"),
    ("cpp", "#include <stdexcept>\nint main() { throw std::out_of_range(\"far\"); }", "runtime_error", "what(): far"),
    ("cpp", "int main() {\n    return x;\n}", "compile_error", "main.cpp:2:12: error: ‘x’ was not declared in this scope"),
    ("cpp", "int main() { return 3; }", "runtime_error", "exit status 3"),
    ("javascript", "console.log(6);", "wrong_answer", ""),
    ("javascript", "null.x", "runtime_error", "TypeError: Cannot read properties of null (reading 'x')"),
    ("javascript", "console.log(2 *;", "compile_error", "SyntaxError: Unexpected token ';'"),
    ("javascript", "import fs from 'fs';\nfs.nothing();", "runtime_error", "TypeError: fs.nothing is not a function"),
    (
        "java",
        "class A { public static void main(String[] a) { System.out.println(6); Object[] all = new Object[1]; "
        "for (;;) all = new Object[][] {all, new Object[1 << 22]}; } }",
        "memory_limit",
        "",
    ),
    ("java", "class A {\n    int f() { return \"\"; }\n}", "compile_error", "Main.java:2: error: incompatible types"),
    ("go", "package main\n\nfunc main() {\n\tvar x []int\n\t_ = x[3]\n}", "runtime_error", "panic: runtime error: index out"),
    ("go", "package main\n\nfunc main() {\n\tvar x int\n}", "compile_error", "./main.go:4:6: x declared"),
    ("rust", "fn main() { let v: Vec<i32> = vec![]; v[v.len() + 3]; }", "runtime_error", "index out of bounds: the len is 0"),
    ("rust", "fn main() { let x: i32 = \"\"; }", "compile_error", "error[E0308]: mismatched types"),
]  # fmt: skip


@pytest.mark.parametrize("language", OTHERS)
def test_a_right_program_passes(verdict, language):
    assert verdict(language, RIGHT[language]) == ("passed", "all 2 tests passed")
    assert verdict(language, " \n") == ("no_code", "there is no program")


@pytest.mark.parametrize(("language", "code", "expected", "reason"), FAILING, ids=[f"{row[0]}-{row[2]}" for row in FAILING])
def test_a_failing_program_gets_the_verdict_and_the_reason_of_its_language(verdict, language, code, expected, reason):
    found, said = verdict(language, code)
    assert (found, reason in said) == (expected, True), said


def test_recursion_may_be_as_deep_as_at_a_judge(verdict):
    deep = "#include <cstdio>\nint f(volatile int n) { return n ? f(n - 1) + 1 : 0; }\n"
    assert (
        verdict("cpp", deep + 'int main() { int n; scanf("%d", &n); printf("%d", f(2000000) - 2000000 + 2 * n); }')[0]
        == "passed"
    )
    deep = "const f = (n) => n ? f(n - 1) + 1 : 0;\n"
    assert verdict("javascript", deep + RIGHT["javascript"].replace("2 *", "f(200000) - 200000 + 2 *"))[0] == "passed"


def test_a_test_finds_nothing_of_the_one_before_it(verdict):
    """Not even its own program: what was built is given to each test anew."""
    keep = "const fs = require('fs');\nfs.appendFileSync(__filename, '\\nconsole.log(1);');\nfs.writeFileSync('left', '');\n"
    assert verdict("javascript", f"{keep}{RIGHT['javascript']}")[0] == "passed"
    look = '#include <cstdio>\n#include <unistd.h>\nint main() { int n; scanf("%d", &n);\n'
    look += '  bool seen = !access("left", F_OK) || !access("main.cpp", F_OK); fclose(fopen("left", "w"));\n'
    look += '  if (FILE* own = fopen("/proc/self/exe", "r+")) seen = true;\n  printf("%d", seen ? -1 : 2 * n); }'  # fmt: skip
    assert verdict("cpp", look)[0] == "passed"


def test_a_missing_compiler_is_one_line_before_anything_runs(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GradingError, match=r"no javac on the PATH; apt-get install default-jdk-headless .*conda.*openjdk"):
        grade(PROBLEMS["double"], RIGHT["java"], language="java")


def test_a_grader_takes_only_the_languages_that_it_was_opened_for(grader):
    with pytest.raises(GradingError, match="a go program for a grader whose languages are python"):
        grader.submit(GradeRequest(None, PROBLEMS["double"], RIGHT["go"], "go"))
    with pytest.raises(GradingError, match="Python programs only"):
        GraderSettings(compat="livecodebench", languages=("cpp",))
