"""Units into batches, batches into micro-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from dreamprm_code.bilevel.units import DataError, Unit


@dataclass(frozen=True)
class Batch:
    """The units of one step of a level, on all processes together."""

    units: tuple[Unit, ...]

    @property
    def num_steps(self) -> int:
        """Scored steps over all processes: the denominator of the loss."""
        return sum(unit.num_steps for unit in self.units)


class Batches:
    """An endless stream of batches: shuffled passes over the units, cut where ``num_programs`` programs are reached.

    Pass p is shuffled by (seed, p) alone, so batch k is the same in a run that was resumed, and for any number of processes.
    """

    def __init__(self, units: Sequence[Unit], num_programs: int, seed: int):
        if not units:
            raise DataError("a stream of batches needs at least one unit")
        self.units, self.num_programs, self.seed = tuple(units), num_programs, seed
        self.taken = 0
        self._stream = self._units()

    def _units(self) -> Iterator[Unit]:
        epoch = 0
        while True:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            yield from (self.units[index] for index in torch.randperm(len(self.units), generator=generator).tolist())
            epoch += 1

    def next(self) -> Batch:
        self.taken += 1
        units: list[Unit] = []
        programs = 0
        while programs < self.num_programs:
            units.append(next(self._stream))
            programs += units[-1].num_programs
        return Batch(tuple(units))

    def skip_to(self, taken: int) -> None:
        """Go on after ``taken`` batches; only forwards."""
        while self.taken < taken:
            self.next()


def micro_batches(units: Sequence[Unit], max_tokens: int) -> Iterator[list[Unit]]:
    """Cut a batch into runs of units of at most ``max_tokens`` together (a larger unit stands alone)."""
    group: list[Unit] = []
    size = 0
    for unit in units:
        if group and size + unit.num_tokens > max_tokens:
            yield group
            group, size = [], 0
        group.append(unit)
        size += unit.num_tokens
    if group:
        yield group
