"""A problem, programs of two functions and of one for it, and what is no program."""

from __future__ import annotations

from builders.rows import make_problem

SUM = make_problem("sum", question_title="Sum", question_content="Given numbers, print their sum.")
TWO_STEPS = """def main():
    \"\"\"Read, solve, print.\"\"\"
    print(total(list(map(int, input().split()))))


def total(numbers):
    \"\"\"Sum of the numbers.\"\"\"
    return sum(numbers)


main()
"""
OTHER_END = TWO_STEPS.replace(
    "return sum(numbers)", "result = 0\n    for n in numbers:\n        result += n\n    return result"
)
ONE_STEP = "def main():\n    print(0)\n\n\nmain()\n"
NOT_PYTHON = "def main(:\n    print('\n"
PROGRAMS = [TWO_STEPS, OTHER_END, ONE_STEP, "", NOT_PYTHON, TWO_STEPS, "print(1)\n"]
