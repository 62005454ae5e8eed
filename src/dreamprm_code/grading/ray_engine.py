"""The same grading as Ray tasks, for clusters; needs the extra ``ray`` (``pip install "dreamprm-code[ray]"``)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from dreamprm_code.grading.grader import Grader, GradeRequest, GradeResult, results_in_completion_order
from dreamprm_code.grading.grader_settings import GraderSettings, GradingError, describe_isolation


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise GradingError('the engine "ray" needs the package ray: pip install "ray>=2.9"') from None
    return ray


class RayGrader:
    """A :class:`Grader` whose workers are actors of a Ray cluster, one processor each; same interface.

    Connects to the cluster that ``RAY_ADDRESS`` names, else starts one on this machine. Every actor holds a grader with
    one worker; identical programs are graded once per actor.
    """

    def __init__(self, settings: GraderSettings | None = None):
        self.settings = settings or GraderSettings()
        self._ray = _import_ray()
        self._started_ray = False
        self._actors: list[Any] = []
        self._busy: dict[int, int] = {}
        self._lock = threading.Lock()
        self.isolation = ""
        self.refused: dict[str, str] = {}

    def __enter__(self) -> RayGrader:
        from dataclasses import replace

        if not self._ray.is_initialized():
            self._ray.init(log_to_driver=False, include_dashboard=False)
            self._started_ray = True
        # Threads, not asyncio: each call waits for its program.
        actor = self._ray.remote(num_cpus=1, max_concurrency=4)(_Actor)
        one = replace(self.settings, workers=1)
        self._actors = [actor.remote(one) for _ in range(self.settings.workers)]
        self._busy = dict.fromkeys(range(len(self._actors)), 0)
        try:
            levels = self._ray.get([actor.level.remote() for actor in self._actors])
        except self._ray.exceptions.RayActorError as error:
            self.close()
            raise GradingError(f"a Ray worker could not start grading ({str(error).splitlines()[-1]})") from None
        self.isolation, self.refused = levels[0]
        return self

    def describe_isolation(self) -> str:
        return describe_isolation(self.isolation, self.refused)

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []
        if self._started_ray:
            self._ray.shutdown()

    def submit(self, request: GradeRequest) -> Future[GradeResult]:
        """Queue one program with the actor that has the fewest."""
        with self._lock:
            index = min(self._busy, key=self._busy.__getitem__)
            self._busy[index] += 1
        future = self._actors[index].grade.remote(request).future()
        future.add_done_callback(lambda _: self._release(index))
        return future

    def _release(self, index: int) -> None:
        with self._lock:
            self._busy[index] -= 1

    def grade(self, requests: Iterable[GradeRequest]) -> Iterator[GradeResult]:
        """Results in completion order; holds a bounded number of requests."""
        return results_in_completion_order(self.submit, requests, self.settings.workers)


class _Actor:
    def __init__(self, settings: GraderSettings):
        self._grader = Grader(settings)
        self._grader.__enter__()

    def level(self) -> tuple[str, dict[str, str]]:
        return self._grader.isolation, self._grader.refused

    def grade(self, request: GradeRequest) -> GradeResult:
        return self._grader.submit(request).result()
