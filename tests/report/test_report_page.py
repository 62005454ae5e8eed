"""Figures and the HTML page: self-contained, escaped, accessible, and bounded in size."""

from __future__ import annotations

import itertools
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from builders.rows import make_labels, make_problem, make_solution
from dreamprm_code.records import CorrectedLabel, Selection, SolutionScores
from dreamprm_code.report.explorer import pack, problem_entry, unpack
from dreamprm_code.report.figures import labels_figure, training_report
from dreamprm_code.report.page import ReportFigure, render_page
from dreamprm_code.report.plots import Series, line_figure, save_png, to_svg
from dreamprm_code.report.tables import Cell, ResultTable, TableLine

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}&lt;"
CODE = "def main():\n    pass\n\n\ndef other():\n    return '</script>'\n"


class Tags(HTMLParser):
    """Start tags in order, and every id."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def make_entry(num_programs: int = 1, question_id: str = "q", code: str = CODE) -> dict:
    solutions = [make_solution(question_id, index, code, False, reason=ATTACK) for index in range(num_programs)]
    scores = {
        row.key: SolutionScores(question_id=question_id, solution_idx=row.solution_idx, num_steps=2, step_scores=[0.25, 0.75])
        for row in solutions
    }
    chosen = Selection(
        method="prm_mean", question_id=question_id, num_candidates=num_programs, selected_idx=0, num_tied=1, passed=False
    )
    problem = make_problem(question_id, question_title=ATTACK, question_content=ATTACK)
    labels = {row.key: row for row in make_labels(question_id, 0, CODE, [1, 0])}
    return problem_entry(problem, "test", solutions, scores, "mean", labels, chosen=[chosen])


def page_with(explorer=None) -> str:
    table = ResultTable(ATTACK, ["overall"], [TableLine(ATTACK, {"overall": Cell(0.5)})], notes=(ATTACK,))
    figure = line_figure({ATTACK: {ATTACK: Series([1, 2], [0.1, 0.2])}}, "step")
    figures = [ReportFigure("curve", ATTACK, figure, ATTACK, [["x", ATTACK], [ATTACK, "1"]])]
    return render_page(ATTACK, [ATTACK], [table], figures, explorer, {"made from": ATTACK})


def test_untrusted_text_is_escaped_everywhere() -> None:
    page = page_with(pack([make_entry()], {"prm_mean": ATTACK}, "prm_mean"))
    tags = Tags(page).tags
    assert [tag for tag, _ in tags].count("script") == 2  # the data and our script
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert "img" not in {tag for tag, _ in tags}
    assert "alert(1)</script>" not in page
    assert "{{ 7*7 }}" in page and "49}" not in page  # text of a template stays text


def test_the_page_refers_to_nothing_outside_itself() -> None:
    tags = Tags(page_with(pack([make_entry()], {}, "prm_mean"))).tags
    targets = [attributes.get(name) or "" for _, attributes in tags for name in ("src", "href", "xlink:href", "action", "data")]
    assert all(target == "" or target.startswith(("#", "data:")) for target in targets)
    policy = next(attributes["content"] for tag, attributes in tags if tag == "meta" and "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")


def test_structure_for_keyboards_and_screen_readers() -> None:
    tags = Tags(page_with(pack([make_entry()], {}, "prm_mean"))).tags
    assert dict(tags)["html"]["lang"] == "en"
    assert [tag for tag, _ in tags if tag in ("h1", "main", "header")] == ["header", "h1", "main"]
    ids = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    named = {attributes["aria-labelledby"] for _, attributes in tags if "aria-labelledby" in attributes}
    assert named - {"problem-title"} <= set(ids)  # the problem's title is set by the script
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")
    assert any(attributes.get("role") == "status" for _, attributes in tags)
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_page_without_an_explorer_has_none() -> None:
    assert 'id="explorer"' not in page_with()


def test_the_explorer_shows_each_function_with_score_and_labels() -> None:
    program = unpack(pack([make_entry()], {"prm_mean": "PRM"}, "prm_mean").payload)["problems"][0]["programs"][0]
    assert [step["name"] for step in program["steps"]] == ["main", "other"]
    assert program["scores"] == [0.25, 0.75]
    assert program["score"] == 0.5
    assert program["steps"][0]["mc"] == [1, 4]
    assert program["steps"][1]["code"].startswith("def other():")


def test_scores_that_do_not_fit_the_steps_are_shown_with_the_whole_program() -> None:
    entry = make_entry(code="print(1)\n")
    assert [step["name"] for step in entry["programs"][0]["steps"]] == ["program"]


def test_candidates_stand_by_score_and_what_was_not_read_is_last_and_says_why() -> None:
    codes = {0: CODE, 1: CODE, 2: "", 3: CODE}
    solutions = [make_solution("q", index, code, False, public_passed=index == 1) for index, code in codes.items()]
    values = {0: [0.2, 0.2], 1: [0.3, 0.3], 2: [None], 3: [None, None]}
    unread = {2: "no_code", 3: "too_long"}
    scores = {
        ("q", index): SolutionScores(
            question_id="q", solution_idx=index, num_steps=len(row), step_scores=row, unread=unread.get(index)
        )
        for index, row in values.items()
    }
    programs = problem_entry(make_problem(), "test", solutions, scores, "mean")["programs"]
    assert [(row["idx"], row["score"], row["unread"], row["public"]) for row in programs] == [
        (1, 0.3, None, True), (0, 0.2, None, False), (2, None, "no_code", False), (3, None, "too_long", False),
    ]  # fmt: skip


def test_large_data_are_thinned_to_the_bound_and_counted() -> None:
    rng = random.Random(0)
    noise = ["def main():\n    pass\n\n\ndef other():\n    return '" + rng.randbytes(1500).hex() + "'\n" for _ in range(40)]
    entries = [make_entry(8, f"q{index}", code) for index, code in enumerate(noise)]
    for index, entry in enumerate(entries):
        for program in entry["programs"]:
            program["steps"][1]["code"] = rng.randbytes(1500).hex()
        entry["programs"][0]["idx"] = 0
        entry["id"] = f"q{index}"
    data = pack(entries, {}, "prm_mean", max_bytes=150_000)
    assert len(data.payload) <= 150_000
    assert data.num_programs + data.num_programs_left_out == 320
    assert data.num_programs_left_out > 0
    kept = unpack(data.payload)["problems"]
    assert all(any(program["idx"] == 0 for program in problem["programs"]) for problem in kept)  # the chosen one stays


def test_surrogates_in_a_program_do_not_break_the_page() -> None:
    entry = make_entry()
    entry["statement"] = "broken \ud800 text"
    assert pack([entry], {}, "prm_mean").num_programs == 1


def test_svg_is_in_the_pages_colour_with_ids_of_its_own(tmp_path: Path) -> None:
    figure = line_figure({"one": {"a": Series([1, 2, 3], [0.1, 0.2, 0.3], [0, 0.1, 0.2], [0.2, 0.3, 0.4])}}, "step")
    svg = to_svg(figure, "curve")
    assert svg.startswith("<svg") and "currentColor" in svg and "<metadata>" not in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids and all(name.startswith("curve-") for name in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(ids)
    save_png(figure, tmp_path / "a.png")
    save_png(line_figure({"one": {"a": Series([1, 2, 3], [0.1, 0.2, 0.3])}}, "step"), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_many_labels_are_drawn_as_a_density_of_bounded_size() -> None:
    rng = random.Random(0)
    labels = [
        CorrectedLabel(
            question_id="q",
            solution_idx=index,
            step_idx=0,
            mc_value=rng.randrange(17) / 16,
            corrected_value=rng.random(),
            weight=1.0,
        )
        for index in range(20_000)
    ]
    figure = labels_figure(labels)
    assert "20000 training steps" in figure.summary
    assert len(to_svg(figure.figure, "labels")) < 300_000


def test_training_curves_by_phase() -> None:
    rows = [{"phase": "warm-up", "step": step, "loss": 0.5} for step in range(1, 1001)]
    rows += [{"phase": "validation", "step": 1000, "loss": 0.25}]
    figure = training_report(rows)
    assert figure is not None
    assert "training loss 0.5000, held-out loss 0.2500" in figure.summary
    assert training_report([]) is None
    assert "marks step 750, whose checkpoint was kept" in training_report(rows, 750).summary


@pytest.mark.parametrize("num_panels", [1, 3, 4, 5])
def test_any_number_of_panels_fits(num_panels: int) -> None:
    figure = line_figure({str(index): {"a": Series([0], [0])} for index in range(num_panels)}, "x")
    assert sum(axis.get_visible() for axis in figure.axes) == num_panels
