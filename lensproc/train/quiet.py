"""Keep the terminal for our own lines: Lightning's tips and notes on hardware stay off it."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric", "pytorch_lightning")


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Raise the threshold of Lightning's loggers to errors, and ignore the warnings that its modules issue."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", module=r"(lightning|torch\.utils\.tensorboard|tensorboard)(\..*)?"
            )
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
