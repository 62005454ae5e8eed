"""Where a program is lost, on simulated policies whose transition is known."""

from __future__ import annotations

import math
import random

from builders.rollouts import CODE, rollout, solution
from dreamprm_code.labels import Tally, bisect, steps_of, transition_labels
from dreamprm_code.labels.bisection import regained
from dreamprm_code.records import Verdict
from dreamprm_code.steps import StepSettings

LINES = StepSettings(200, "line")  # CODE: def main / print / def twice / return / main()


def run(num_steps: int, transition: int, p: float, max_rollouts: int, chance: random.Random) -> tuple[int | None, int, int]:
    """(transition found, probes, rollouts): a completion passes with probability ``p`` before the transition, never after."""
    tallies: dict[int, Tally] = {}
    num_rollouts = 0
    while (state := bisect(num_steps, tallies, max_rollouts)).probe is not None:
        before = tallies.get(state.probe, Tally())
        correct = state.probe < transition and chance.random() < p
        tallies[state.probe] = Tally(before.sampled + 1, before.counted + 1, before.correct + correct)
        num_rollouts += 1
    return state.transition, state.num_probes, num_rollouts


def test_with_a_sure_policy_every_transition_is_found_in_log2_probes():
    for num_steps in (1, 2, 3, 7, 8, 33, 200):
        for transition in range(num_steps):
            found, probes, rollouts = run(num_steps, transition, 1.0, 1, random.Random(0))
            assert found == transition and probes == rollouts <= math.ceil(math.log2(num_steps))


def test_at_k_8_the_exact_line_is_found_in_95_of_100_programs():
    """400 programs of 5 to 60 lines, completions that pass in 45% to 95% of the cases before the transition.

    A probe before the transition misleads with 0.55^8 = 0.8% at worst, and there are at most six of them.
    """
    chance = random.Random(3)
    exact = rollouts = full = 0
    for _ in range(400):
        num_steps = chance.randint(5, 60)
        transition = chance.randrange(num_steps)
        found, probes, used = run(num_steps, transition, chance.uniform(0.45, 0.95), 8, chance)
        assert probes <= math.ceil(math.log2(num_steps)) + 1
        assert found is not None and found <= transition, "a miss takes a good line for a lost one, never the reverse"
        exact += found == transition
        rollouts += used
        full += 8 * (num_steps - 1)
    assert exact >= 0.95 * 400
    assert rollouts < 0.12 * full, "what full Monte-Carlo labels by line would take"


def test_a_probe_without_a_rollout_that_counts_decides_nothing():
    assert bisect(4, {1: Tally(8, 0, 0)}, 8) == (None, None, 1)
    assert bisect(4, {1: Tally(8, 1, 0)}, 8) == (None, 0, 2)
    assert bisect(4, {1: Tally(3, 3, 0)}, 8) == (None, 1, 1), "five more"


def test_labels_by_hand_passed_revised_and_left_out():
    """Five lines. Program 1 holds at line index 2 (two of three probes by hand: 1, 2, 3), so it is lost at index 3."""
    failed, hopeless = (solution(index, Verdict.WRONG_ANSWER) for index in (1, 2))
    programs = [solution(0), failed, hopeless, solution(3, Verdict.HARNESS_ERROR)]
    steps = [step for row in programs for step in steps_of(row, LINES)]
    prefixes = [step.prefix for step in steps_of(failed, LINES)]
    assert len(prefixes) == 5

    def rows(program: int, step: int, verdicts: list[Verdict]):
        code = prefixes[step] + "\n..."
        return [
            rollout(index, verdict, step=step, code=code).model_copy(update={"solution_idx": program})
            for index, verdict in enumerate(verdicts)
        ]

    good, bad = Verdict.PASSED, Verdict.RUNTIME_ERROR
    rollouts = rows(1, 1, [bad, good]) + rows(1, 2, [good]) + rows(1, 3, [bad, bad])
    rollouts += rows(2, 1, [bad] * 2) + rows(2, 0, [bad] * 2)
    labels, counts = transition_labels(steps, rollouts, programs, 2, LINES)
    values = [[label.mc_value for label in labels if label.solution_idx == index] for index in range(4)]
    assert values == [[1.0] * 5, [1.0, 1.0, 1.0, 0.0, 0.0], [None] * 4 + [0.0], [None] * 5]
    assert all(label.inferred and label.granularity == "line" for label in labels)
    assert counts == {
        "programs_passed": 1, "programs_revised": 1, "programs_without_passing_prefix": 1, "programs_undecided": 0,
        "programs_ungraded": 1, "probes": 5,
    }  # fmt: skip
    labels, _ = transition_labels(steps, rollouts, programs, 2, LINES, select="all")
    assert [label.mc_value for label in labels if label.solution_idx == 2] == [0.0] * 5


def test_what_is_lost_and_found_again_is_counted():
    """Held at 0, lost at 1, held again at 2 and 4: two violations."""
    tallies = {4: Tally(2, 2, 1), 0: Tally(1, 1, 1), 1: Tally(2, 2, 0), 2: Tally(1, 1, 1), 3: Tally(2, 0, 0)}
    assert regained(tallies) == 2
    assert regained({0: Tally(1, 1, 1), 1: Tally(1, 1, 0)}) == 0 == regained({})


def test_the_sample_program_has_five_lines():
    assert [step.name for step in steps_of(solution(), LINES)] == ["line 1", "line 2", "line 5", "line 6", "line 9"]
    assert CODE.endswith("main()")
