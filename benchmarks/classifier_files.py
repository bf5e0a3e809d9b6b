"""Classifiers from files of weights, for the benchmarks: the file says which stage it is for."""

from __future__ import annotations

from pathlib import Path

from lensproc.contract.registry import load_registry
from lensproc.evaluate.scoring.methods import Method
from lensproc.nn.weights import read_weights


def classifier(text: str) -> Method:
    """Read ``FILE`` or ``LABEL=FILE``; without a label it is called as the stage."""
    label, equals, path = text.rpartition("=")
    file = Path(path).resolve()
    stage = str(read_weights(file).metadata["stage"])
    manifest = load_registry().manifest(stage)
    options = manifest.resolve_options({"weights": str(file)})
    return Method(label if equals else stage, stage, tuple(sorted(options.items())), "cpu")


def classifiers(texts: list[str]) -> list[Method]:
    """Read several, each under a name of its own."""
    methods = [classifier(text) for text in texts]
    names = [method.name for method in methods]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"two files are called {', '.join(sorted(twice))}: write LABEL=FILE")
    return methods
