"""Step rewards for TRL's GRPOTrainer: the smallest subclass that turns them into an advantage for every token.

TRL's rewards are one number per completion, but its loss takes advantages of shape [B, T] "to support subclasses". This one
adds to the outcome's advantage of a completion what its steps earn from each token on, less the mean of its group at the same
step. There is no critic: this is process-supervised GRPO (as in arXiv 2402.03300, section 4.1.3) with the rewards of
rl/rewards.py, not PSGPO.

Needs ``pip install -r requirements-rl.txt``.
"""

# B = completions, T = tokens of a completion

from __future__ import annotations

import json
import logging
import math
import pickle
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import Sampler
from transformers import PrinterCallback, TrainerCallback, TrainerState
from trl.trainer.grpo_trainer import GRPOTrainer

from dreamprm_code.bilevel.resume import BROKEN
from dreamprm_code.errors import UserError
from dreamprm_code.rl.models import token_pieces
from dreamprm_code.rl.ppo import RLError, within_memory

_LOG = logging.getLogger(__name__)

STATE_FILE = "trainer_state.json"
REMEDY = "delete this folder: the run then goes on from the one before it"

StepsOf = tuple[list[float], list[int]]
"""A completion's step rewards, and the tokens that end the steps."""

StepRewards = Callable[[Sequence[dict[str, Any]], Sequence[list[str]], Sequence[float]], Sequence[StepsOf]]
"""From the data set's rows, the texts of the completions' tokens and the outcomes' rewards to the steps of each completion."""


def step_advantages(
    rewards: Sequence[Sequence[float]], ends: Sequence[Sequence[int]], num_generations: int, width: int
) -> Tensor:
    """advantage_BT: the rewards of a completion's steps from a token's step on, less the group's mean of that sum.

    Completions of one prompt stand side by side, ``num_generations`` of them. Behind its last step a completion earns nothing,
    and is compared with what the others earn from there on.
    """
    most = max((len(steps) for steps in rewards), default=0)
    to_go_BK = torch.zeros(len(rewards), most + 1)  # K: steps that have ended before a token
    steps_BT = torch.zeros(len(rewards), width, dtype=torch.long)
    for row, (steps, tokens) in enumerate(zip(rewards, ends, strict=True)):
        for step in reversed(range(len(steps))):
            to_go_BK[row, step] = to_go_BK[row, step + 1] + steps[step]
        for token in tokens:
            steps_BT[row, token + 1 :] += 1
    mean_BK = to_go_BK.view(-1, num_generations, most + 1).mean(1).repeat_interleave(num_generations, dim=0)
    return (to_go_BK - mean_BK).gather(1, steps_BT)


class _FromEpoch(Sampler[int]):
    """A sampler whose order of an epoch follows from how many it has drawn: a run that goes on draws those before again."""

    def __init__(self, sampler: Sampler[int], num_epochs: Callable[[], int]):
        self.sampler, self.num_epochs = sampler, num_epochs
        self.has_begun = False

    def __len__(self) -> int:
        return len(self.sampler)  # type: ignore[arg-type]  # torch does not declare the length that TRL's has

    def __iter__(self) -> Iterator[int]:
        before = 0 if self.has_begun else self.num_epochs()
        self.has_begun = True
        for _ in range(before):
            deque(self.sampler, maxlen=0)
        yield from self.sampler


class StepRewardGRPOTrainer(GRPOTrainer):
    """GRPOTrainer with ``step_rewards``; without them it is TRL's, to the bit. All else as there."""

    def __init__(self, *args: Any, step_rewards: StepRewards | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.step_rewards = step_rewards
        self._outcomes_B = torch.empty(0)

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        return _FromEpoch(super()._get_train_sampler(dataset), lambda: int(self.state.epoch or 0))

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Tensor:
        """Of all processes, as TRL gathers them; this one's are kept, summed over the reward functions."""
        rewards_BF: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        first = self.accelerator.process_index * len(prompts)
        self._outcomes_B = rewards_BF[first : first + len(prompts)].nansum(1)
        return rewards_BF

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self.step_rewards is None:
            return output
        ids_BT, mask_BT = output["completion_ids"], output["completion_mask"].bool()
        pieces = [token_pieces(self.processing_class, ids[mask].tolist()) for ids, mask in zip(ids_BT, mask_BT, strict=True)]
        found = self.step_rewards(inputs, pieces, self._outcomes_B.tolist())
        model: Any = self.model
        generations: Any = self.num_generations if model.training else self.num_generations_eval
        steps_BT = step_advantages([rewards for rewards, _ in found], [ends for _, ends in found], generations, ids_BT.shape[1])
        output["advantages"] = output["advantages"][:, None] + steps_BT.to(output["advantages"])
        return output


class Watch(TrainerCallback):
    """Stops at numbers that are none, before they reach a checkpoint, and says where a step teaches nothing.

    ``step`` is the step that is being taken, None before the first: until then a checkpoint is taken up.
    """

    def __init__(self, say: Callable[[str], None] = lambda text: None):
        self.say = say
        self.step: int | None = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.step = state.global_step + 1

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **more: Any) -> None:
        logs = logs or {}
        if "reward" in logs:
            shown = ", ".join(f"{name} {float(logs[name]):.4g}" for name in ("reward", "loss", "grad_norm") if name in logs)
            self.say(f"step {state.global_step} of {state.max_steps}: {shown}")
        for name in ("loss", "grad_norm", "reward"):
            if name in logs and not math.isfinite(float(logs[name])):
                raise RLError(f"step {state.global_step}: {name} became {logs[name]}; lower lr; the last checkpoint is kept")
        if float(logs.get("frac_reward_zero_std", 0.0)) == 1.0:
            _LOG.warning("step %d: equal outcomes in every group of programs; outcomes teach nothing", state.global_step)


def go_on(trainer: GRPOTrainer, watch: Watch) -> None:
    """Train from the last checkpoint that is whole, or from the start; of a run that had ended, only its end is read.

    TRL would take one step more from there.

    Raises:
        RLError: a batch does not fit into memory, the policy's weights became no numbers, or the checkpoint is damaged.
    """
    arguments: Any = trainer.args
    checkpoint = last_checkpoint(Path(arguments.output_dir))
    if checkpoint is not None and not (arguments.save_only_model or arguments.deepspeed or arguments.fsdp):
        for name in ("optimizer.pt", "scheduler.pt"):  # TRL goes on without them, silently, at another learning rate
            if not (checkpoint / name).is_file():
                raise RLError(f"{checkpoint}: cannot be taken up (there is no {name}); {REMEDY}")
    trainer.remove_callback(PrinterCallback)  # Watch says what a step came to
    size = arguments.per_device_train_batch_size, arguments.max_completion_length
    try:
        with within_memory(*size, "batch_problems or max_tokens"), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of names that TRL still calls in transformers
            if checkpoint is not None and _step_of(checkpoint) >= arguments.max_steps:
                trainer._load_from_checkpoint(str(checkpoint))
                trainer.state = TrainerState.load_from_json(str(checkpoint / STATE_FILE))
            else:
                trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except UserError:
        raise
    except (*BROKEN, OSError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        if "probability tensor" in reason:  # what torch says when the next token is sampled
            raise RLError(f"step {watch.step}: the policy's probabilities became nan; lower lr; checkpoints are kept") from None
        if checkpoint is not None and watch.step is None:
            raise RLError(f"{checkpoint}: cannot be taken up ({reason}); {REMEDY}") from None
        raise


def last_checkpoint(out_dir: Path) -> Path | None:
    """TRL's last checkpoint that is whole: its state is written last, so that one which a kill cut off has none."""

    def is_whole(folder: Path) -> bool:
        try:
            return bool(json.loads((folder / STATE_FILE).read_text()))
        except (OSError, ValueError):
            return False

    folders = [folder for folder in out_dir.glob("checkpoint-*") if folder.name.split("-")[1].isdigit()]
    return next((folder for folder in sorted(folders, key=_step_of, reverse=True) if is_whole(folder)), None)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.split("-")[1])
