"""A PRM whose texts are made here and whose weights are behind a vLLM server: the same scores, the same calls.

The server is asked for token ids, so that its tokenizer and its chat template play no part (``docs/scoring.md``).
"""

from __future__ import annotations

import http.client
import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dreamprm_code.errors import UserError
from dreamprm_code.prm.folders import CheckpointError, encoder_of, read_config
from dreamprm_code.prm.trees import StepTokens
from dreamprm_code.records import Problem

MAX_REPLY_BYTES = 1 << 27


class ServerError(UserError):
    """A server that does not answer, or not with step scores; the message holds its address."""


class ServedPRM:
    """``score`` and ``score_problems`` of :class:`dreamprm_code.prm.PRM` for a folder that a server holds.

    ``folder`` is the exported folder, or the checkpoint it was made from: text settings and tokenizer are read, no weights.
    ``timeout`` in seconds is that of one request, which holds one program.

    Raises:
        CheckpointError: the folder is none, or its head reads what no server computes.
        ServerError: the server cannot be reached.
    """

    def __init__(self, folder: Path, url: str, timeout: float = 600.0, parallel: int = 16):
        config = read_config(folder)
        if config.reading.readout != "last" or not config.reading.final_norm:
            raise CheckpointError(f"{folder}: its head reads what no server computes; score without --server")
        self.encoder = encoder_of(folder, config.input)
        self.steps = config.input.steps
        if not url.startswith(("http://", "https://")):
            raise ServerError(f"{url!r}: not a server's address, such as http://localhost:8000")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.timeout, self.parallel = timeout, parallel
        try:
            self.model = str(self._ask("/v1/models", None)["data"][0]["id"])
        except (KeyError, IndexError, TypeError):
            raise ServerError(f"{self.url}/v1/models: does not list a model") from None

    def score(self, problem: Problem, programs: Sequence[str]) -> list[list[float]]:
        """Probability of success after each step of each program."""
        return next(self.score_problems([(problem, programs)]))

    def score_problems(
        self, requests: Iterable[tuple[Problem, Sequence[str]]], language: str = "python"
    ) -> Iterator[list[list[float]]]:
        """Scores of many problems' programs, in order; up to ``parallel`` programs are asked for at once.

        Raises:
            ServerError: a reply that is not one score for each step.
        """
        with ThreadPoolExecutor(self.parallel) as pool:
            try:
                for problem, programs in requests:
                    yield list(pool.map(lambda code, problem=problem: self._score(problem, code, language), programs))
            finally:
                pool.shutdown(cancel_futures=True)

    def score_messages(self, problem: Problem, pieces: Sequence[str], fields: Sequence[str]) -> list[float]:
        """One program as other software asks for it: ``messages``, which the server's chat template makes a text of."""
        texts = [getattr(problem, name) for name in fields], pieces
        messages = [
            {"role": role, "content": [{"type": "text", "text": text} for text in part]}
            for role, part in zip(("user", "assistant"), texts, strict=True)
        ]
        ids = self.encoder.encode_program(problem, "".join(pieces), self.steps.max_functions, self.steps.granularity)[-1]
        return self._ask_scores({"messages": messages}, ids)

    def _score(self, problem: Problem, code: str, language: str) -> list[float]:
        sequences = self.encoder.encode_program(problem, code, self.steps.max_functions, self.steps.granularity, language)
        if self.encoder.step_token_id is not None:
            return self._ask_scores({"input": list(sequences[-1])}, sequences[-1])
        return [self._ask_scores({"input": list(ids)}, ids)[-1] for ids in sequences]

    def _ask_scores(self, request: dict[str, Any], ids: StepTokens) -> list[float]:
        """The scores at the step tokens of a text of these ids; of all its tokens where the format has no step token."""
        reply = self._ask("/pooling", {"model": self.model, "task": "token_classify"} | request)
        where = f"{self.url}/pooling"
        try:
            scores = [float(score) for [score] in reply["data"][0]["data"]]
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            raise ServerError(f"{where}: the reply holds no list of scores; serve the exported folder with vLLM") from None
        places = [place for place, token in enumerate(ids) if token == self.encoder.step_token_id]
        if len(scores) == len(ids):  # no STEP pooling
            scores = [scores[place] for place in places] if places else scores
        elif len(scores) != len(places):
            raise ServerError(
                f"{where}: {len(scores)} scores for a text of {len(ids)} tokens and {len(places)} steps; "
                "is it the same checkpoint, served with its chat template?"
            )
        if not all(math.isfinite(score) and 0.0 <= score <= 1.0 for score in scores):
            raise ServerError(f"{where}: {scores[:3]} are no probabilities; serve it without use_activation=false")
        return scores

    def _ask(self, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                    return json.loads(reply.read(MAX_REPLY_BYTES))
            except urllib.error.HTTPError as error:
                detail = " ".join(error.read(300).decode("utf-8", "replace").split())
                raise ServerError(f"{self.url}{path}: status {error.code} ({detail})") from None
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            reason = getattr(error, "reason", None) or error
            raise ServerError(f"{self.url}{path}: no answer that can be read ({reason}); is the server up?") from None
