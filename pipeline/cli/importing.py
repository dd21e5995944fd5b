"""Imports that take a moment: commands make them when they run, so that help is quick."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Let the collector rest meanwhile: modules are no garbage, however often it looks (0.02 s)."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
