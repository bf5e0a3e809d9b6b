"""Products that a stage requires, made by running the installed stages that provide them."""

from __future__ import annotations

from typing import Any

from lensproc.contract.registry import Registry
from lensproc.errors import UsageError
from lensproc.testing.scenes import Scene
from lensproc.testing.subject import Products, Subject


def products_for(registry: Registry, stage_id: str) -> Products:
    """Return what makes the products that a stage requires, out of the other installed stages.

    Parameters
    ----------
    registry : Registry
        Where to look for stages that provide them; the first by name is taken.
    stage_id : str
        The stage that requires them.

    Returns
    -------
    mapping or callable
        For `check_stage`.

    Raises
    ------
    UsageError
        Where no installed stage provides one.
    """
    required = registry.manifest(stage_id).requires
    if not required:
        return {}
    providers: dict[str, Subject] = {}
    for name in required:
        makers = sorted(m.id for m in registry.manifests.values() if name in m.provides and m.id != stage_id)
        if not makers:
            raise UsageError(f"stage {stage_id} requires {name}, which no installed stage provides")
        maker = registry.manifest(makers[0])
        providers[name] = Subject(maker, maker.defaults, products_for(registry, maker.id))

    def make(scene: Scene) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, subject in providers.items():
            outcome = subject.run([scene])[0]
            found = {**outcome.values, **outcome.tables, **outcome.planes}
            if name not in found:
                why = outcome.failed or f"it gave {sorted(found)}"
                raise UsageError(f"stage {subject.manifest.id} should provide {name}: {why}")
            made[name] = found[name]
        return made

    return make
