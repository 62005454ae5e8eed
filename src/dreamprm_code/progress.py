"""What a long piece of work shows on standard error: a bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tqdm import tqdm

LINE_EVERY_S = 10.0
_LINE = "{desc}: {n_fmt}/{total_fmt} {unit}, {elapsed} gone, {remaining} left{postfix}"


class _Lines(tqdm):
    """tqdm's counts as whole lines, none before there is something to tell."""

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        if self.n > self.initial:
            print(str(self) if msg is None else msg, file=self.fp, flush=True)
        return True

    def close(self) -> None:
        if not self.disable:
            self.display()
            self.disable = True
            type(self)._decr_instances(self)  # type: ignore[attr-defined]  # tqdm's own bookkeeping; its types leave it out


def progress_bar(**settings: Any) -> tqdm:
    """A tqdm bar (``total``, ``desc``, ``unit``, ``initial`` ... as there) for this standard error."""
    if sys.stderr.isatty():
        return tqdm(dynamic_ncols=True, mininterval=0.25, **settings)
    return _Lines(mininterval=LINE_EVERY_S, maxinterval=LINE_EVERY_S, bar_format=_LINE, **settings)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Loading models without progress bars and load reports: what matters is checked by who loads, and raised."""
    from transformers import modeling_gguf_pytorch_utils
    from transformers.utils import logging

    gguf: Any = modeling_gguf_pytorch_utils
    verbosity, bars, gguf_bar = logging.get_verbosity(), logging.is_progress_bar_enabled(), gguf.tqdm
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    gguf.tqdm = partial(tqdm, disable=True)  # the one bar of transformers that its own switch does not reach
    try:
        yield
    finally:
        gguf.tqdm = gguf_bar
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
