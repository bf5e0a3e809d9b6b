"""The classifiers that are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lensproc.errors import UsageError
from lensproc.evaluate.scoring.methods import Method

KIND = "classify"


def are_classifiers(stages: Sequence[str]) -> bool:
    """Whether stages classify, rather than make images.

    Raises
    ------
    UsageError
        Where some do and others do not.
    PluginError
        Where there is no such stage.
    """
    from lensproc.contract.registry import load_registry

    registry = load_registry()
    kinds = {stage: registry.manifest(stage).kind for stage in stages}
    if KIND in kinds.values() and len(set(kinds.values())) > 1:
        told = ", ".join(f"{stage} is of the kind {kind}" for stage, kind in kinds.items())
        raise UsageError(f"the stages are of several kinds: {told}", remedy="evaluate one kind at a time")
    return KIND in kinds.values()


def classifiers(
    stages: Sequence[str], options: Mapping[str, Mapping[str, object]], device: str
) -> list[Method]:
    """List classifiers with all their options; one that is named twice comes once.

    Raises
    ------
    UsageError
        For a wrong option, or a stage that takes several bands.
    """
    from lensproc.contract.registry import load_registry

    registry = load_registry()
    found = []
    for stage in dict.fromkeys(stages):
        manifest = registry.manifest(stage)
        if manifest.n_bands != 1:
            raise UsageError(f"stage {stage} takes {manifest.n_bands} bands; the images of a set have one")
        resolved = manifest.resolve_options(options.get(stage, {}))
        found.append(Method(stage, stage, tuple(sorted(resolved.items())), device))
    return found


def parameters_of(method: Method) -> int | None:
    """Count the parameters of a stage's network; None where it has no ``network``.

    Raises
    ------
    PluginError
        Where the stage cannot be loaded.
    """
    import torch

    from lensproc.contract.registry import load_registry

    stage = load_registry().open_stage(method.stage, dict(method.options))
    try:
        network = getattr(stage, "network", None)
        if not isinstance(network, torch.nn.Module):
            return None
        return sum(parameter.numel() for parameter in network.parameters())
    finally:
        stage.close()
