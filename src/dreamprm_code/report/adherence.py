"""How well a policy follows the Chain-of-Function structure: the numbers of ``cof_adherence.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from dreamprm_code.records import Problem, Solution
from dreamprm_code.steps import cof_violations, split_program


def adherence_report(problems: Iterable[Problem], solutions: Iterable[Solution]) -> dict[str, Any]:
    """Shares and counts over the programs of these problems.

    An answer without a program counts as one that does not follow, with the reason ``no_code``. ``reasons`` counts programs
    that break a rule at least once, so it may add up to more than the programs that do not follow.
    """
    by_id = {problem.question_id: problem for problem in problems}
    reasons: Counter[str] = Counter()
    functions: Counter[int] = Counter()
    strata: dict[str, Counter[str]] = {}
    passes: Counter[str] = Counter()
    total = following = 0
    for solution in solutions:
        problem = by_id.get(solution.question_id)
        if problem is None:
            continue
        total += 1
        if solution.code.strip():
            kinds = {str(violation.kind) for violation in cof_violations(solution.code, problem.func_name, solution.language)}
            steps = split_program(solution.code, max_functions=None, language=solution.language).steps
            functions[len(steps) if "no_function" not in kinds else 0] += 1
        else:
            kinds = {"no_code"}
        follows = not kinds
        following += follows
        reasons.update(kinds)
        stratum = strata.setdefault(problem.difficulty or "unknown", Counter())
        stratum.update(programs=1, following=int(follows), passed=int(bool(solution.passed)))
        group = "following" if follows else "not_following"
        passes.update({f"{group}_graded": int(solution.passed is not None), f"{group}_passed": int(bool(solution.passed))})
    return {
        "programs": total,
        "following": following,
        "share_following": following / total if total else None,
        "reasons": dict(reasons.most_common()),
        "by_difficulty": {name: dict(counts) for name, counts in sorted(strata.items())},
        "functions_per_program": {str(number): functions[number] for number in sorted(functions)},
        "passed": {name: passes[name] for name in sorted(passes)},
    }


def adherence_summary(report: dict[str, Any]) -> str:
    """The report in one line."""
    if not report["programs"]:
        return "no programs"
    counts = {int(number): count for number, count in report["functions_per_program"].items()}
    mean = sum(number * count for number, count in counts.items()) / max(1, sum(counts.values()))
    strata = ", ".join(f"{name} {item['following']}/{item['programs']}" for name, item in report["by_difficulty"].items())
    reasons = ", ".join(f"{reason} {count}" for reason, count in report["reasons"].items()) or "none"
    return (
        f"{report['following']}/{report['programs']} follow Chain-of-Function ({strata}); {mean:.1f} functions per program; "
        f"reasons: {reasons}"
    )
