"""How every stage starts and how it fails: one line on standard error and exit status 2, never a traceback for bad input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from dreamprm_code.config import parse_config
from dreamprm_code.errors import UserError

ConfigT = TypeVar("ConfigT")


def run_stage(config_class: type[ConfigT], section: str, description: str, main: Callable[[ConfigT], None]) -> None:
    """Parse the command line and run ``main``; a UserError (JsonlError, ConfigError ...) becomes one clear line.

    Anything else is a defect and keeps its traceback.
    """
    try:
        main(parse_config(config_class, section, description))
    except UserError as error:
        print(f"{section}: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{section}: interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
