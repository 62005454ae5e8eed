"""Imported first by every study script, so that it runs from a clone that is not installed: puts ``src`` on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
