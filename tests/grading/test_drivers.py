"""Functions in other languages: a driver reads the arguments as the types that they declare, and prints what they return."""

from __future__ import annotations

import json
import shutil

import pytest

from builders.grading import LIMITS
from builders.rows import make_problem
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.grading.drivers import starter_code, with_driver
from dreamprm_code.languages import LANGUAGES
from dreamprm_code.problems.signatures import signature_of

OTHERS = tuple(name for name in LANGUAGES if name != "python")
HEADER = "def tell_all(words: List[str], grid: List[List[int]], ratio: float, is_last: bool) -> List[str]:\n"
GRIDS = ([[1, 2], []], [[-3], [2147483647]], [])
WORDS = (['a"b\\c\n\t', "é😀", ""], ["x"], ["}{", "]["])
TELL = [  # the words, the sum of each row, the ratio doubled, yes or no
    (json.dumps(words) + "\n" + json.dumps(grid) + f"\n{ratio}\n{json.dumps(last)}",
     json.dumps([*words, *(str(sum(row)) for row in grid), f"{2 * ratio:.2f}", "yes" if last else "no"]))
    for words, grid, ratio, last in zip(WORDS, GRIDS, (0.5, -3, 1e3), (True, False, True), strict=True)
]  # fmt: skip
HALF = [("[1, 2]", "0.75"), ("[0.1, 0.2]", json.dumps((0.1 + 0.2) / 4)), ("[1e300]", "2.5e+299")]
PROBLEMS = {
    "tell_all": make_problem("tell_all", TELL, func_name="tell_all", starter_code=HEADER),
    "quarter": make_problem("quarter", HALF, func_name="distance"),
    "root": make_problem("root", [("[1]", "1")], func_name="depth", starter_code="def depth(root: Optional[TreeNode]) -> int:"),
    "large": make_problem("large", [(str(2**53), "1")], func_name="digits"),
}

PROGRAMS = {
    ("cpp", "tell_all"): """class Solution {
public:
    vector<string> tellAll(vector<string>& words, const vector<vector<int>>& grid, double ratio, bool last) const {
        cout << "noise" << endl;
        vector<string> told(words);
        for (auto& row : grid) told.push_back(to_string(accumulate(row.begin(), row.end(), 0LL)));
        char text[40];
        snprintf(text, sizeof text, "%.2f", 2 * ratio);
        told.push_back(text);
        told.push_back(last ? "yes" : "no");
        return told;
    }
};
int main() { return Solution().tellAll(*new vector<string>, {}, 1, true).size(); }
""",
    ("java", "tell_all"): """class Solution {
    public List<String> tellAll(String[] words, List<List<Integer>> grid, double ratio, boolean last) {
        System.out.println("noise");
        List<String> told = new ArrayList<>(Arrays.asList(words));
        for (List<Integer> row : grid) told.add("" + row.stream().mapToLong(Integer::longValue).sum());
        told.add(String.format("%.2f", 2 * ratio));
        told.add(last ? "yes" : "no");
        return told;
    }
}
class Main { public static void main(String[] args) { System.exit(1); } }
""",
    ("javascript", "tell_all"): """const tellAll = (words, grid, ratio, last) => {
    console.log("noise");
    const sums = grid.map((row) => String(row.reduce((a, b) => a + b, 0)));
    return [...words, ...sums, (2 * ratio).toFixed(2), last ? "yes" : "no"];
};
""",
    ("go", "tell_all"): """package main

import "fmt"

func tellAll(words []string, grid [][]int64, ratio float64, last bool) []string {
	fmt.Println("noise")
	for _, row := range grid {
		var sum int64
		for _, number := range row {
			sum += number
		}
		words = append(words, fmt.Sprint(sum))
	}
	return append(words, fmt.Sprintf("%.2f", 2*ratio), map[bool]string{true: "yes", false: "no"}[last])
}

func main() { panic("not mine") }
""",
    ("rust", "tell_all"): """fn tell_all(words: Vec<String>, grid: &[Vec<i32>], ratio: f64, last: bool) -> Vec<String> {
    println!("noise");
    let sums = grid.iter().map(|row| row.iter().map(|&x| x as i64).sum::<i64>().to_string());
    let mut told: Vec<String> = words.into_iter().chain(sums).collect();
    told.extend([format!("{:.2}", 2.0 * ratio), if last { "yes" } else { "no" }.into()]);
    told
}

fn main() {
    panic!("not mine");
}
""",
    ("javascript", "quarter"): "class Solution { distance(all) { return all.reduce((a, b) => a + b, 0) / 4; } }",
    ("cpp", "quarter"): "#include <vector>\nusing namespace std;  // which has a distance, too\n#define int long long\n"
    "double distance(std::vector<double> all) { double s = 0; for (double x : all) s += x; return s / 4; }",
}  # fmt: skip

FAILING = [
    ("javascript", "quarter", "const distance = (all) => all.length / 4;", "wrong_answer", "returned '0.5' instead of '0.75'"),
    ("javascript", "quarter", "const distance = () => {};", "wrong_answer", "returned 'null' instead of '0.75'"),
    ("javascript", "quarter", "const other = 1;", "runtime_error", "ReferenceError: Solution is not defined"),
    (
        "javascript",
        "quarter",
        "const distance = () => process.exit(0);",
        "runtime_error",
        "ended before its function returned",
    ),
    (
        "cpp",
        "quarter",
        "#include <string>\ndouble distance(std::string all) { return 0; }",
        "runtime_error",
        "an argument is no string",
    ),
    ("cpp", "quarter", "#include <string>\ndouble half(std::string all) { return 0; }", "compile_error", "distance"),
]


@pytest.fixture(scope="module")
def graded():
    """(verdict, reason) of a program; skips where its compiler is missing."""
    present = [name for name in OTHERS if all(map(shutil.which, LANGUAGES[name].toolchain.commands))]
    limits = LIMITS | {"cpu_limit_s": 6, "build_cpu_limit_s": 20, "build_memory_limit_mb": 512}
    with Grader(GraderSettings(languages=("python", *present), **limits)) as grader:

        def run(language: str, problem: str, code: str) -> tuple[str, str]:
            if language not in present:
                pytest.skip(f"no compiler for {language} here")
            result = grader.submit(GradeRequest(None, PROBLEMS[problem], code, language)).result(timeout=300)
            return str(result.verdict), result.reason

        yield run


@pytest.mark.parametrize(("language", "problem"), PROGRAMS)
def test_a_function_gets_its_arguments_and_gives_its_result_whatever_it_prints(graded, language, problem):
    assert graded(language, problem, PROGRAMS[language, problem]) == ("passed", "all 3 tests passed")


@pytest.mark.parametrize(("language", "problem", "code", "verdict", "reason"), FAILING)
def test_a_function_that_fails_gets_its_verdict(graded, language, problem, code, verdict, reason):
    found, said = graded(language, problem, code)
    assert (found, reason in said) == (verdict, True), said


@pytest.mark.parametrize(
    ("language", "problem", "reason"),
    [
        ("cpp", "root", "call depth, which they cannot in C++: parameter root is Optional[TreeNode]"),
        ("javascript", "large", "call digits, which they cannot in JavaScript: digits takes or returns integers that"),
    ],
)
def test_what_a_driver_cannot_pass_is_refused_by_name_and_never_failed(graded, language, problem, reason):
    found, said = graded(language, problem, "whatever")
    assert found == "harness_error" and reason in said


SIGNATURE = signature_of("tell_all", HEADER, [given for given, _ in TELL], [expected for _, expected in TELL])


def test_the_header_that_a_program_must_have_is_spelled_in_its_language():
    assert {name: starter_code(SIGNATURE, LANGUAGES[name]) for name in OTHERS} == {
        "cpp": "class Solution {\npublic:\n    vector<string> tell_all(vector<string> words, vector<vector<int>> grid, "
        "double ratio, bool is_last) {\n    }\n};",
        "java": "class Solution {\n    public String[] tell_all(String[] words, int[][] grid, double ratio, "
        "boolean is_last) {\n    }\n}",
        "javascript": "/**\n * @param {string[]} words\n * @param {number[][]} grid\n * @param {number} ratio\n"
        " * @param {boolean} is_last\n * @return {string[]}\n */\nfunction tell_all(words, grid, ratio, is_last) {\n}",
        "go": "package main\n\nfunc tell_all(words []string, grid [][]int, ratio float64, is_last bool) []string {\n}",
        "rust": "impl Solution {\n    pub fn tell_all(words: Vec<String>, grid: Vec<Vec<i32>>, ratio: f64, is_last: bool) "
        "-> Vec<String> {\n    }\n}",
    }


def test_a_function_may_be_spelled_as_its_language_does_and_comments_do_not_count():
    code = "// tell_all is what the problem calls it\nfunc TellAll() {}\n"
    assert "ValueOf(TellAll)" in with_driver(code, LANGUAGES["go"], SIGNATURE)
    assert "ValueOf(tell_all)" in with_driver("// nothing\n", LANGUAGES["go"], SIGNATURE)
    program = with_driver("impl Solution { fn tell_all() {} }", LANGUAGES["rust"], SIGNATURE)
    assert "struct Solution;" in program and "Solution::tell_all(given.argument(), " in program
