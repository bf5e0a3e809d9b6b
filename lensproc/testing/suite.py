"""The suite: every named check, run on a stage, with expected failures."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lensproc.contract.manifest import Manifest
from lensproc.contract.registry import Registry, load_registry
from lensproc.errors import LensprocError, UsageError
from lensproc.testing import batch_checks, contract_checks, input_checks, star_checks
from lensproc.testing.result import CheckFailedError, CheckResult, NotApplicableError, Status
from lensproc.testing.subject import Products, Subject

Check = Callable[[Subject], None]

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        contract_checks.manifest_imports_without_torch,
        contract_checks.manifest_survives_json,
        contract_checks.defaults_validate,
        contract_checks.stage_pickles,
        contract_checks.wrong_weights_are_refused,
        batch_checks.output_shape,
        batch_checks.order_is_kept,
        batch_checks.batch_equals_singles,
        batch_checks.inputs_are_not_mutated,
        batch_checks.repeats_bit_for_bit,
        batch_checks.shift_moves_output,
        input_checks.finite_output,
        input_checks.all_zero,
        input_checks.constant,
        input_checks.negative,
        input_checks.small_values,
        input_checks.masked,
        input_checks.odd_sized,
        input_checks.smallest,
        input_checks.without_psf,
        star_checks.star_keeps_flux,
        star_checks.star_keeps_centroid,
        contract_checks.findings_are_well_formed,
    )
}
"""Name to check, in the order in which they run."""


def subject_of(
    stage: str | Manifest,
    options: Mapping[str, object] | None = None,
    products: Products | None = None,
    registry: Registry | None = None,
) -> Subject:
    """Make a subject of a stage id or a manifest.

    Parameters
    ----------
    stage : str or Manifest
        Id of an installed stage, or the manifest of one that is not.
    options : mapping, optional
        Option values; the rest take their defaults.
    products : mapping or callable, optional
        What the stage `requires` of earlier ones.
    registry : Registry, optional
        Instead of loading the installed plugins.
    """
    given = options or {}
    if isinstance(stage, Manifest):
        resolved = stage.resolve_options(given) if given else stage.defaults
        return Subject(stage, resolved, products or {})
    registry = load_registry() if registry is None else registry
    manifest = registry.manifest(stage)
    plugin = next((r.name for r in registry.records if {stage, stage.partition(":")[0]} & set(r.stages)), "")
    resolved = manifest.resolve_options(given) if given else manifest.defaults
    return Subject(manifest, resolved, products or {}, registry.package(stage), plugin)


def check_stage(
    stage: str | Manifest,
    expected_failures: Mapping[str, str] | None = None,
    *,
    options: Mapping[str, object] | None = None,
    products: Products | None = None,
    registry: Registry | None = None,
) -> list[CheckResult]:
    """Run every check on a stage, on the CPU, in the manner of scikit-learn's ``check_estimator``.

    Parameters
    ----------
    stage : str or Manifest
        Id of an installed stage, or the manifest of one that is not.
    expected_failures : mapping of str to str, optional
        Name of a check to the reason why the stage cannot pass it. One that passes nevertheless is an error.
    options : mapping, optional
        Option values to check with; the rest take their defaults.
    products : mapping or callable, optional
        What the stage `requires` of earlier ones: name to product, or a function of the `Scene`.
    registry : Registry, optional
        Instead of loading the installed plugins.

    Returns
    -------
    list of CheckResult
        One per check of `CHECKS`, in that order; all is well where every one is ``ok``.

    Raises
    ------
    PluginError
        Where no such stage is installed.
    UsageError
        For an expected failure of no known check or without a reason, or where products are missing.

    Examples
    --------
    >>> from lensproc.testing import check_stage
    >>> [result for result in check_stage("bicubic") if not result.ok]
    []
    """
    expected = _expected(expected_failures)
    subject = subject_of(stage, options, products, registry)
    return [run_check(subject, name, expected.get(name)) for name in CHECKS]


def _expected(failures: Mapping[str, str] | None) -> Mapping[str, str]:
    for name, reason in (failures or {}).items():
        if name not in CHECKS:
            raise UsageError(f"no check is called {name!r}", remedy=f"they are: {', '.join(CHECKS)}")
        if not reason.strip():
            raise UsageError(f"the expected failure of {name} needs a reason")
    return failures or {}


def run_check(subject: Subject, name: str, expected: str | None = None) -> CheckResult:
    """Run one check.

    Parameters
    ----------
    subject : Subject
        The stage.
    name : str
        A name of `CHECKS`.
    expected : str, optional
        Why it is expected to fail.
    """
    status: Status = "passed"
    message = story = ""
    try:
        CHECKS[name](subject)
    except NotApplicableError as reason:
        return CheckResult(subject.manifest.id, name, "not applicable", str(reason))
    except UsageError:
        raise
    except Exception as error:
        status, story = "failed", traceback.format_exc()
        plain = isinstance(error, CheckFailedError | LensprocError)
        message = str(error) if plain else f"the stage raised {type(error).__name__}: {error}"
    if expected is not None:
        if status == "failed":
            return CheckResult(
                subject.manifest.id, name, "expected failure", f"{expected} ({message})", story
            )
        message = f"it passed, but was expected to fail: {expected}"
        return CheckResult(subject.manifest.id, name, "unexpected pass", message)
    return CheckResult(subject.manifest.id, name, status, message, story)


def parametrize_with_checks(
    stages: Sequence[str | Manifest],
    expected_failures: Mapping[str, Mapping[str, str]] | None = None,
    *,
    options: Mapping[str, Mapping[str, object]] | None = None,
    products: Mapping[str, Products] | None = None,
) -> Any:
    """Return a pytest decorator: one test per stage and check, named ``STAGE-check``.

    Parameters
    ----------
    stages : sequence of str or Manifest
        What to check.
    expected_failures : mapping, optional
        Stage id to the `expected_failures` of `check_stage`.
    options, products : mapping, optional
        Stage id to the `options` and `products` of `check_stage`.

    Examples
    --------
    In a test file of a plugin::

        @parametrize_with_checks(["my-stage"])
        def test_conforms(check):
            check()

    An expected failure shows as xfailed, a check that does not apply as skipped, each with its reason.
    """
    import pytest

    registry = load_registry() if any(isinstance(stage, str) for stage in stages) else None
    parameters = []
    for stage in stages:
        stage_id = stage if isinstance(stage, str) else stage.id
        expected = _expected((expected_failures or {}).get(stage_id))
        subject = subject_of(stage, (options or {}).get(stage_id), (products or {}).get(stage_id), registry)
        for name in CHECKS:
            test = _Test(subject, name, expected.get(name))
            parameters.append(pytest.param(test, id=f"{stage_id}-{name}"))
    return pytest.mark.parametrize("check", parameters)


class _Test:
    """A check of a stage as a callable that speaks pytest."""

    def __init__(self, subject: Subject, name: str, expected: str | None) -> None:
        self.subject, self.name, self.expected = subject, name, expected

    def __call__(self) -> None:
        import pytest

        result = run_check(self.subject, self.name, self.expected)
        if result.status == "not applicable":
            pytest.skip(result.message)
        if result.status == "expected failure":
            pytest.xfail(result.message)
        if not result.ok:
            story = f"\n{result.traceback}" if result.traceback else ""
            pytest.fail(f"{result.stage}: {result.name}: {result.message}{story}", pytrace=False)
