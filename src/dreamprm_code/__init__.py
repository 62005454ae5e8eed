"""DreamPRM-Code: a process reward model for coding that takes each function as a reasoning step."""

__version__ = "0.1.0"
