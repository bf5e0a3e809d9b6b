"""Start-up of ``lensproc --help`` and ``plugins list`` against the least a click + pluggy program can do."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

FLOOR = "import click, pluggy; from importlib.metadata import entry_points; entry_points(group='lensproc.plugins')"
COMMANDS = {
    "floor": [sys.executable, "-c", FLOOR],
    "lensproc --help": [sys.executable, "-m", "lensproc.cli", "--help"],
    "lensproc plugins list": [sys.executable, "-m", "lensproc.cli", "plugins", "list"],
}


def main(rounds: int = 25) -> None:
    """Time the commands in turn, so that drift of the machine meets them alike, and print medians and ratios."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 2):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - started)
    floor = times["floor"][2:]
    for name, all_seconds in times.items():
        seconds = all_seconds[2:]
        ratio = statistics.median(a / b for a, b in zip(seconds, floor, strict=True))
        print(
            json.dumps(
                {
                    "command": name,
                    "median_ms": round(1e3 * statistics.median(seconds), 1),
                    "ratio": round(ratio, 2),
                }
            )
        )


if __name__ == "__main__":
    main()
