"""The conformance suite that a plugin author runs, in the manner of scikit-learn's ``check_estimator``."""

from lensproc.testing.result import CheckFailedError, CheckResult, NotApplicableError
from lensproc.testing.scenes import Scene
from lensproc.testing.suite import CHECKS, check_stage, parametrize_with_checks

__all__ = [
    "CHECKS",
    "CheckFailedError",
    "CheckResult",
    "NotApplicableError",
    "Scene",
    "check_stage",
    "parametrize_with_checks",
]
