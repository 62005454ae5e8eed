"""The data behind the report's explorer: problems, their programs step by step, and who selected what.

Problem statements and programs are untrusted text. They reach the page as compressed, base64-encoded JSON and are only ever
set as text there, so that nothing in them can be read as markup.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dreamprm_code.records import CorrectedLabel, Problem, Selection, Solution, SolutionScores, StepLabel
from dreamprm_code.selection.aggregation import aggregate
from dreamprm_code.steps import DEFAULT_STEPS, StepSettings, split_program

MAX_BYTES = 3_500_000
"""Bound on the encoded data; a report stays below 5 MB with its figures."""

MAX_TEXT = 20_000
"""Longer statements and programs are cut in the explorer, visibly."""

StepKey = tuple[str, int, int]
"""question_id, solution_idx, step_idx"""


class ExplorerData(NamedTuple):
    """``payload`` is base64 of gzip of JSON; ``num_programs_left_out`` were dropped to keep the page small."""

    payload: str
    num_problems: int
    num_programs: int
    num_programs_left_out: int


def problem_entry(
    problem: Problem,
    split: str,
    solutions: Sequence[Solution],
    scores: Mapping[tuple[str, int], SolutionScores],
    aggregation: str,
    step_labels: Mapping[StepKey, StepLabel] | None = None,
    corrected: Mapping[StepKey, CorrectedLabel] | None = None,
    chosen: Iterable[Selection] = (),
    settings: StepSettings = DEFAULT_STEPS,
) -> dict[str, Any]:
    """One problem with its programs, the highest score first and unread ones last.

    Programs are split as the PRM splits them; one whose number of steps is not that of its scores is shown as one step with all
    scores beside it.
    """
    programs: list[dict[str, Any]] = []
    for solution in sorted(solutions, key=lambda row: row.solution_idx):
        found = scores.get(solution.key)
        step_scores = [score for score in found.step_scores if score is not None] if found else []
        steps = split_program(solution.code, settings.max_functions, settings.granularity, solution.language)
        texts, names = list(steps.texts), [step.name for step in steps.steps]
        if step_scores and len(texts) != len(step_scores):
            texts, names = [solution.code], ["program"]
        programs.append(
            {
                "idx": solution.solution_idx,
                "passed": solution.passed,
                "verdict": solution.verdict.value if solution.verdict else None,
                "reason": solution.reason[:300],
                "score": _rounded(aggregate(step_scores, aggregation)) if step_scores else None,
                "unread": found.unread.value if found and found.unread else None,
                "public": solution.public_passed,
                "scores": [_rounded(score) for score in step_scores],
                "steps": [
                    _step_entry(name, text, (*solution.key, index), step_labels or {}, corrected or {})
                    for index, (name, text) in enumerate(zip(names, texts, strict=True))
                ],
            }
        )
    programs.sort(key=lambda row: (row["score"] is None, -(row["score"] or 0.0)))
    return {
        "id": problem.question_id,
        "title": problem.question_title,
        "difficulty": problem.difficulty,
        "platform": problem.platform,
        "date": problem.contest_date[:10],
        "split": split,
        "statement": _cut(problem.question_content),
        "starter": problem.starter_code,
        "programs": programs,
        "chosen": {row.method: {"idx": row.selected_idx, "passed": row.passed, "tied": row.num_tied} for row in chosen},
    }


def _step_entry(
    name: str, text: str, key: StepKey, step_labels: Mapping[StepKey, StepLabel], corrected: Mapping[StepKey, CorrectedLabel]
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "code": _cut(text.strip("\n"))}
    label, correction = step_labels.get(key), corrected.get(key)
    if label is not None and label.num_rollouts:
        entry["mc"] = [label.num_correct, label.num_rollouts]
    if correction is not None:
        entry["mc_value"] = _rounded(correction.mc_value)
        entry["corrected"] = _rounded(correction.corrected_value)
        entry["weight"] = _rounded(correction.weight)
    return entry


def pack(entries: Sequence[dict[str, Any]], methods: Mapping[str, str], main: str, max_bytes: int = MAX_BYTES) -> ExplorerData:
    """Encode the entries. Above ``max_bytes`` the programs of each problem that no method chose are thinned, evenly by rank of
    score, and then the last problems are left out, until the data fit; what is left out is counted."""
    num_programs = sum(len(entry["programs"]) for entry in entries)
    kept = list(entries)
    for limit in (None, 8, 4, 2, 1):
        thinned = [_thinned(entry, limit) for entry in kept]
        payload = _encode(thinned, methods, main)
        if len(payload) <= max_bytes:
            break
    while len(payload) > max_bytes and len(thinned) > 1:
        thinned = thinned[: max(1, int(len(thinned) * 0.9 * max_bytes / len(payload)))]
        payload = _encode(thinned, methods, main)
    shown = sum(len(entry["programs"]) for entry in thinned)
    return ExplorerData(payload, len(thinned), shown, num_programs - shown)


def unpack(payload: str) -> dict[str, Any]:
    """What the page reads out of ``payload``."""
    return json.loads(gzip.decompress(base64.b64decode(payload)))


def _encode(entries: Sequence[dict[str, Any]], methods: Mapping[str, str], main: str) -> str:
    document = {"methods": list(methods.items()), "main": main, "problems": list(entries)}
    raw = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode()


def _thinned(entry: dict[str, Any], limit: int | None) -> dict[str, Any]:
    if limit is None:
        return entry
    chosen = {choice["idx"] for choice in entry["chosen"].values()}
    others = sorted((row for row in entry["programs"] if row["idx"] not in chosen), key=lambda row: -(row["score"] or 0.0))
    room = max(0, limit - len(chosen))
    kept = {row["idx"] for row in others[:: max(1, -(-len(others) // room))]} if room else set()
    return entry | {"programs": [row for row in entry["programs"] if row["idx"] in chosen | kept]}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + f"\n[... {len(text) - MAX_TEXT} more characters]"


def _rounded(value: float) -> float:
    return round(value, 4)
