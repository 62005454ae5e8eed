"""Search with the PRM while programs are written: best-of-N, beam search and DVTS over functions, compared at equal cost.

    python src/search.py --config configs/search.yaml

Every recipe runs with every seed into data_dir/search/RECIPE/seed-N/: graded programs (test_solutions.jsonl) with the step
scores by which they were found (test_scores.jsonl), ready for evaluate_prm.py, and what each problem cost (searched.jsonl).
Then data_dir/search/table.md and table.json. Run it again after an interruption: it does only what is missing.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import Unfinished, UserError
from dreamprm_code.grading import open_grader
from dreamprm_code.policies import Account, Policy, open_policy
from dreamprm_code.prm.prefix_cache import PrefixCache
from dreamprm_code.prm.settings import OpeningSettings
from dreamprm_code.prompts import prompt_fingerprint
from dreamprm_code.records import Problem, Solution
from dreamprm_code.sampling.file import SampledFile, tell_loose_ends
from dreamprm_code.sampling.settings import SamplingSettings
from dreamprm_code.search.methods import Recipe
from dreamprm_code.search.policy import require_continuation
from dreamprm_code.search.run import run_search
from dreamprm_code.search.table import write_table
from dreamprm_code.selection.scoring import Scorer
from dreamprm_code.settings import settings_from


class Settings(SamplingSettings, OpeningSettings):
    split: Literal["validation", "test"] = Field("test", description="whose problems")
    max_problems: int | None = Field(None, ge=1, description="only the first so many of them")
    style: Literal["cof", "plain"] = Field("cof", description="prompt: Chain-of-Function, or plain")
    recipes: dict[str, Any] = Field(description="NAME: {method: best_of_n | beam_search | dvts, n: .., m: .., ...}")
    run: list[str] = Field([], description="names of the recipes to run (default: all)")
    seeds: list[int] = Field([42], min_length=1, description="each recipe is run with each")
    checkpoint: Path | None = Field(None, description="PRM folder or released .pt file (default: prm/ in data_dir)")


class Searches:
    """What all recipes and seeds share: the problems, the PRM and a local policy's model, each loaded once and when needed."""

    def __init__(self, settings: Settings, problems: list[Problem]):
        self.settings, self.problems = settings, problems
        self.scorer = Scorer(settings.checkpoint or settings.data_dir / "prm", settings.open_prm)
        self._local: Any = None

    def open_policy(self, settings: Settings, account: Account) -> Policy:
        if settings.policy_kind[0] != "local":
            return open_policy(settings, account)
        self._local = self._local or open_policy(settings, account)
        self._local.seed, self._local.temperature, self._local.account = settings.seed, settings.temperature, account
        return self._local

    def run(self, name: str, recipe: Recipe, seed: int) -> None:
        """One recipe with one seed.

        Raises:
            Unfinished: problems are left to the next run.
        """
        settings = self.settings.with_changes(seed=seed)
        if recipe.temperature is not None:
            settings = settings.with_changes(temperature=recipe.temperature)
        folder = settings.data_dir / "search" / name / f"seed-{seed}"
        identity = {
            "recipe": recipe.model_dump(),
            "checkpoint": self.scorer.sha256,
            "style": settings.style,
            "prompts": prompt_fingerprint(),
            "limits": settings.limits(),
        }
        path = folder / "test_solutions.jsonl"
        file = SampledFile(path, Solution, stage="search", settings=settings, identity=identity)
        encoded_before = getattr(self._local, "prompt_tokens_encoded", 0)
        graders = settings.grader_settings(settings.grade_workers, keep_outputs=True)
        counts = run_search(
            self.problems,
            recipe,
            folder,
            file=file,
            open_policy=partial(self.open_policy, settings, file.account),
            open_grader=partial(open_grader, graders, say=say),
            open_scorer=lambda problem: PrefixCache(self.scorer.prm(), problem),
            style=settings.style,
            scored_by={"stage": "search", "config": settings.model_dump(), "checkpoint": self.scorer.sha256},
        )
        encoded = getattr(self._local, "prompt_tokens_encoded", 0) - encoded_before
        details = ("generated_tokens", "rounds", "tied_rounds", "duplicates", "merged", "lost", "unread")
        say(
            f"{name}, seed {seed}: {counts['problems']} problems, {counts['candidates']} programs, "
            f"{counts.get('verdict_passed', 0)} pass; " + ", ".join(f"{name} {counts.get(name, 0)}" for name in details)
        )
        if encoded:
            say(f"prompts: {file.account.prompt_tokens} tokens asked in all runs of this file; {encoded} encoded in this one")
        tell_loose_ends(path, counts, say)


def main(settings: Settings) -> None:
    if settings.language != "python":
        raise UserError(f"language {settings.language}: a search knows where functions end in Python alone; use gen_sol.py")
    known = {name: settings_from(Recipe, values or {}, f"recipe {name}") for name, values in settings.recipes.items()}
    if unknown := sorted(set(settings.run) - known.keys()):
        raise UserError(f"run: no recipe is called {', '.join(unknown)}; there are {', '.join(known)}")
    recipes = {name: recipe for name, recipe in known.items() if name in settings.run or not settings.run}
    if any(recipe.method != "best_of_n" for recipe in recipes.values()):
        require_continuation(settings)
    problems = settings.window_split().require(settings.split)[: settings.max_problems]
    if settings.dry_run:
        for name, recipe in recipes.items():
            most = len(problems) * recipe.most_tokens(settings.max_tokens)
            say(f"{name}: at most {most} tokens for {len(problems)} problems and each of {len(settings.seeds)} seeds")
        return
    searches, unfinished = Searches(settings, problems), None
    for seed in settings.seeds:
        for name, recipe in recipes.items():
            try:
                searches.run(name, recipe, seed)
            except Unfinished as error:
                unfinished = error
            print(write_table(settings.data_dir / "search", known, problems), flush=True)
    if unfinished is not None:
        raise unfinished


def say(text: str) -> None:
    print(f"search: {text}", flush=True)


if __name__ == "__main__":
    run_stage(Settings, "search", __doc__, main)
