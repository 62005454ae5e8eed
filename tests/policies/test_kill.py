"""kill -9 at random moments: no row is lost, none is written twice, and nothing that is done is asked again."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time
from functools import partial
from pathlib import Path

from fault_server import FaultServer, program_for

from builders.rows import make_problem
from builders.text_grader import TextGrader
from dreamprm_code.jsonl import read_dicts, read_rows
from dreamprm_code.policies import CompletionRequest, PolicySettings, open_policy, openai_server
from dreamprm_code.records import Solution
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.sampling.sampler import run_sampling, solution_row

NUM_PROBLEMS, NUM_SOLUTIONS, NUM_KILLS = 400, 2, 20


def stage(path: Path, url: str) -> None:
    """A sampling stage, as the stage scripts run it."""
    openai_server.FIRST_WAIT_S, openai_server.LONGEST_WAIT_S = 0.01, 0.05
    settings = PolicySettings(policy="openai:m", base_urls=[url], max_in_flight=16, timeout_s=5.0, answers_per_request=1)
    file = SampledFile(path, Solution, stage="test", settings=settings, identity={})
    names = [f"q{number:03}" for number in range(NUM_PROBLEMS)]
    missing = {name: file.missing((name,), range(NUM_SOLUTIONS)) for name in names}

    def tasks(sampler):
        for name, indices in missing.items():
            if indices:
                asked = CompletionRequest((name,), ({"role": "user", "content": f"print {name}"},), indices)
                yield partial(sampler.sample, asked, make_problem(name), partial(solution_row, name))

    run_sampling(lambda: open_policy(settings, file.account), TextGrader, file, tasks, sum(map(len, missing.values())))


def stage_process(path: Path, url: str) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - the process ends with it
    stage(path, url)


def whole_lines(path: Path) -> set[tuple]:
    """Keys of the rows that a killed run left, a torn last line aside."""
    if not path.exists():
        return set()
    complete = path.read_bytes().rpartition(b"\n")[0]
    copy = path.with_suffix(".copy")
    copy.write_bytes(complete)
    return {(row["question_id"], row["solution_idx"]) for _, row in read_dicts(copy)}


def test_twenty_kills_lose_and_repeat_nothing(tmp_path):
    server = FaultServer(seed=5, fault_share=0.2, latency_s=0.01)
    path = tmp_path / "solutions.jsonl"
    chance = random.Random(0)
    spawn = multiprocessing.get_context("fork")
    kills = interrupted = 0
    try:
        while kills < NUM_KILLS:
            done = whole_lines(path)
            asked_before = len(server.bodies)
            process = spawn.Process(target=stage_process, args=(path, server.url))
            process.start()
            before = time.monotonic()
            while len(server.bodies) == asked_before and process.is_alive() and time.monotonic() - before < 30:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.0, 0.15))
            process.kill()  # a stage that has just ended by itself is no error
            process.join()
            kills += 1
            kept = whole_lines(path)
            assert done <= kept, "no row is lost"
            interrupted += len(kept) < NUM_PROBLEMS * NUM_SOLUTIONS
            finished = {name for name in {key[0] for key in done} if (name, 0) in done and (name, 1) in done}
            asked = {body["messages"][-1]["content"].split()[-1] for body in server.bodies[asked_before:]}
            assert not asked & finished, "no finished problem is asked for again"
        assert interrupted >= 10, "most kills hit a run that was not done"
        stage(path, server.url)
        asked_before = len(server.bodies)
        stage(path, server.url)
        assert len(server.bodies) == asked_before, "a finished file asks nothing"
    finally:
        server.close()
    rows = read_rows(path, Solution)
    expected = [(f"q{number:03}", index) for number in range(NUM_PROBLEMS) for index in range(NUM_SOLUTIONS)]
    assert [row.key for row in rows] == expected, "every row once, in order"
    assert all(row.code == program_for(f"print {row.question_id}") and row.passed for row in rows)
