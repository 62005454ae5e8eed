"""The contract of splitting in every language: prefixes grow strictly, end with functions, and the last is the program."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from dreamprm_code.languages import LANGUAGES, LanguageError
from dreamprm_code.steps import split_program
from dreamprm_code.steps.splitting import GRANULARITIES, UNPARSABLE

CPP = """\
#include <bits/stdc++.h>
using namespace std;
#define REP(i, n) for (int i = 0; i < (n); i++)

int twice(int);  // only declared

template <class T>
T largest(const vector<T>& all) {
    T best = all[0];
    REP(i, all.size()) { best = max(best, all[i]); }
    return best;
}

namespace tools {
struct Counter {
    int held = 0;
    Counter() : held(1) {}
    ~Counter() = default;
    int& next() { return held; };  // counts
    bool operator<(const Counter& other) const { return held < other.held; }
};
}  // namespace tools

auto square = [](int x) { return x * x; };

#ifdef LOCAL
void debug() { cerr << "}" << '{'; }
#endif

int main() {
    auto inner = [&](int x) { return square(x); };
    cout << inner(3) << "\\n";
}

int twice(int x) { return 2 * x; }
// the end
"""

JAVA = """\
package judge;

import java.util.*;

/** Twice a number. */
public class Main {
    static final Comparator<Integer> DOWN = (a, b) -> b - a;

    interface Shape { double area(); }

    public static void main(String[] args) {
        Runnable run = new Runnable() { public void run() { System.out.println("}"); } };
        run.run();
    }

    Main(int x) { this.x = x; } // makes one

    @Override
    public String toString() { return "{"; }

    static class Reader {
        int next() { return 1; }
    }
}
"""

JAVASCRIPT = """\
'use strict';
const fs = require('fs');

function main() {
    function inner() { return 1; }
    console.log(twice(3), `}${inner()}`);
}

const twice = (x) => 2 * x;  // two of them

class Stack {
    #items = [];
    constructor() { this.items = []; }
    get size() { return this.items.length; }
    push = (x) => { this.items.push(x); };
}

Stack.prototype.pop = function () { return this.items.pop(); };

async function* many() { yield /}/; }

main();
"""

GO = """\
package main

import "fmt"

type Stack[T any] struct{ items []T }

func main() {
	inner := func(x int) int { return x }
	fmt.Println(twice(inner(3)), "}")
}

// Push adds one.
func (s *Stack[T]) Push(x T) { s.items = append(s.items, x) } // one more

var square = func(x int) int { return x * x }

func twice(x int) int { return 2 * x }
"""

RUST = """\
use std::io;

macro_rules! twice { ($x:expr) => { 2 * $x }; }

#[derive(Debug)]
struct Stack<T> { items: Vec<T> }

trait Shape { fn area(&self) -> f64; fn name(&self) -> String { "{".to_string() } }

impl<T> Stack<T> {
    fn push(&mut self, x: T) { self.items.push(x); } // one more
}

fn main() {
    fn inner() -> i32 { 1 }
    let square = |x: i32| x * x;
    println!("{} }}", square(twice!(inner())));
}

mod tools { pub fn half(x: i32) -> i32 { x / 2 } }
"""

PROGRAMS = {"cpp": CPP, "java": JAVA, "javascript": JAVASCRIPT, "go": GO, "rust": RUST}

NAMES = {
    "cpp": [
        "largest", "tools.Counter.Counter", "tools.Counter.next", "tools.Counter.operator<", "square", "debug", "main", "twice",
    ],
    "java": ["Main.DOWN", "Main.main", "Main.Main", "Main.toString", "Main.Reader.next"],
    "javascript": ["main", "twice", "Stack.constructor", "Stack.size", "Stack.push", "Stack.prototype.pop", "many"],
    "go": ["main", "Stack.Push", "square", "twice"],
    "rust": ["Shape.name", "Stack<T>.push", "main", "tools.half"],
}  # fmt: skip

ENDS = {
    "cpp": [
        "}",
        "Counter() : held(1) {}",
        "int& next() { return held; };  // counts",
        "}",
        "square = [](int x) { return x * x; };",
    ],
    "java": ["(a, b) -> b - a;", "\n    }", "Main(int x) { this.x = x; } // makes one"],
    "javascript": ["\n}", "twice = (x) => 2 * x;  // two of them"],
    "go": ["\n}", "append(s.items, x) } // one more", "return x * x }"],
    "rust": ['"{".to_string() }', "self.items.push(x); } // one more", "\n}"],
}
"""Of the first prefixes: a semicolon and a comment on a function's last line are its own."""


def check(code: str, language: str, **options) -> None:
    split = split_program(code, language=language, **options)
    assert split.prefixes[-1] == code and "".join(split.texts) == code
    for shorter, longer in pairwise(split.prefixes):
        assert len(shorter) < len(longer) and longer.startswith(shorter)


def test_every_language_but_python_has_an_example():
    assert PROGRAMS.keys() == NAMES.keys() == LANGUAGES.keys() - {"python"}


@pytest.mark.parametrize("language", PROGRAMS)
def test_functions_and_methods_that_lie_in_no_other_function_are_steps(language):
    split = split_program(PROGRAMS[language], language=language)
    assert split.fallback is None
    assert [step.name for step in split.steps] == NAMES[language]
    for prefix, end in zip(split.prefixes, ENDS[language], strict=False):
        assert prefix.endswith(end)
    assert split.texts[0].startswith(PROGRAMS[language][:20])  # what stands before the first function belongs to it
    check(PROGRAMS[language], language)
    check(PROGRAMS[language], language, max_functions=2)


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_that_was_cut_off_is_one_step_or_keeps_the_contract(language):
    code = PROGRAMS[language]
    for end in range(0, len(code), 7):
        for granularity in GRANULARITIES:
            check(code[:end], language, granularity=granularity)
    inside_main = code[: code.index("main()" if language != "java" else "run.run") + 12]
    assert split_program(inside_main, language=language).fallback == UNPARSABLE


@pytest.mark.parametrize("language", PROGRAMS)
@pytest.mark.parametrize("code", ["", " \n", "\0", "\ud800", "def f():\n    return 1\n", "}}}}", "é\u2028// ü {"])
def test_what_is_no_program_of_the_language_is_one_step(language, code):
    check(code, language)
    check(code, language, granularity="line")
    assert len(split_program(code, language=language).steps) == 1


def test_offsets_are_those_of_characters_not_bytes():
    code = "// größer ≤ 𝒳\nint f() { return 1; } // é\n\nint main() { return f(); }\n"
    assert split_program(code, language="cpp").prefixes[0].endswith("} // é")


def test_an_error_in_a_cpp_function_is_a_macro_if_its_braces_balance():
    macro = (
        "#define rep(i, n) for (int i = 0; i < n; i++)\nint f(int n) { rep(i, n) n += i; return n; }\nint main() { f(1); }\n"
    )
    assert [step.name for step in split_program(macro, language="cpp").steps] == ["f", "main"]
    assert split_program("int f() { { return 1; }\nint main() { f(); }\n", language="cpp").fallback == UNPARSABLE


def test_lines_of_code_and_what_stands_in_brackets_is_one():
    code = "int f(int a,\n      int b) {  // sum\n  /* of\n two */\n  int c = a +\n    b;\n\n  return c;\n}\n"
    assert [text.strip() for text in split_program(code, granularity="line", language="cpp").texts] == [
        "int f(int a,\n      int b) {  // sum",
        "/* of\n two */\n  int c = a +",
        "b;",
        "return c;",
        "}",
    ]
    text = "const s = `one\ntwo`;\nconsole.log(s);\n"
    assert [part.strip() for part in split_program(text, granularity="line", language="javascript").texts] == [
        "const s = `one\ntwo`;",
        "console.log(s);",
    ]


def test_an_unknown_language_is_named():
    with pytest.raises(LanguageError, match="'cobol' is not known; choose from python, cpp"):
        split_program("x", language="cobol")


@pytest.mark.parametrize("language", PROGRAMS)
def test_humaneval_x_references_split(shared_data, language):
    name = "js" if language == "javascript" else language
    path = shared_data / "humaneval_x" / f"{name}.jsonl"
    fallbacks = []
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        code = row["declaration"] + row["canonical_solution"] + row["test"]
        check(code, language)
        if split_program(code, language=language).fallback:
            fallbacks.append(row["task_id"])
    assert fallbacks == (["CPP/38"] if language == "cpp" else [])  # it lacks a closing brace: no compiler takes it either
