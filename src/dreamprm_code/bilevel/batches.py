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

    @property
    def labelled(self) -> tuple[Unit, ...]:
        """The units that hold labelled steps (with or without outcomes beside them)."""
        return tuple(unit for unit in self.units if unit.rows)

    @property
    def unlabelled(self) -> tuple[Unit, ...]:
        """The units that hold outcomes alone."""
        return tuple(unit for unit in self.units if not unit.rows)


class Batches:
    """An endless stream of batches: shuffled passes over the units, cut where ``num_programs`` programs are reached.

    Pass p is shuffled by (seed, p) alone, so batch k is the same in a run that was resumed, and for any number of processes.
    """

    def __init__(self, units: Sequence[Unit], num_programs: int, seed: int):
        if not units:
            raise DataError("a stream of batches needs at least one unit")
        self.units, self.num_programs, self.seed = tuple(units), num_programs, seed
        self.taken = self.position = 0  # batches, and units of the stream
        self._stream = self._units()

    def _units(self) -> Iterator[Unit]:
        epoch = 0
        while True:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            yield from (self.units[index] for index in torch.randperm(len(self.units), generator=generator).tolist())
            epoch += 1

    def next(self, held_out: int = -1) -> Batch:
        """The next batch. Outcomes of the fold ``held_out`` are not in it: units that hold nothing else are passed over.

        Raises:
            DataError: every unit is passed over.
        """
        self.taken += 1
        units: list[Unit] = []
        programs = passed_over = 0
        while programs < self.num_programs:
            unit = next(self._stream)
            self.position += 1
            if held_out >= 0 and unit.fold == held_out:
                unit = unit.without_outcomes()
            if unit.num_steps == 0:
                passed_over += 1
                if passed_over > 2 * len(self.units):
                    raise DataError("the inner level holds nothing but outcomes of one fold; use more folds or add labels")
                continue
            units.append(unit)
            programs += unit.num_programs
        return Batch(tuple(units))

    def skip_to(self, taken: int, position: int) -> None:
        """Go on after ``taken`` batches that took ``position`` units from the stream; only forwards."""
        while self.position < position:
            next(self._stream)
            self.position += 1
        self.taken = taken


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
