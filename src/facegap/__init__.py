"""facegap audits face models in ONNX format: differences in error rates between groups of people, with intervals and verdicts.

>>> import facegap as fg
>>> run = fg.audit("manifest.csv", detect="yunet", classify="faceapi_age_gender")  # doctest: +SKIP
>>> run.rates, run.gaps  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

# Some functions have the name of a subpackage. Python binds a subpackage to its parent when it is first imported, so these
# are imported before the functions are bound, and nothing rebinds the names later.
import facegap.audit
import facegap.compare
import facegap.explain
import facegap.stress  # noqa: F401
from facegap.api import (
    audit,
    audit_embeddings,
    audit_predictions,
    audit_scores,
    compare,
    explain,
    metric_frame,
    read_manifest,
    read_run,
    recheck,
    stress,
)
from facegap.audit.settings import CallableModel, Faces, Groups, Identify, Models, Output, Service, Verify
from facegap.errors import FacegapError

if TYPE_CHECKING:
    from facegap import statistics
    from facegap.report.notebook import Run

    __version__: str

__all__ = [
    "CallableModel",
    "FacegapError",
    "Faces",
    "Groups",
    "Identify",
    "Models",
    "Output",
    "Run",
    "Service",
    "Verify",
    "__version__",
    "audit",
    "audit_embeddings",
    "audit_predictions",
    "audit_scores",
    "compare",
    "explain",
    "metric_frame",
    "read_manifest",
    "read_run",
    "recheck",
    "statistics",
    "stress",
]


def __getattr__(name: str) -> Any:
    """Import the names that take time on first access, so that `facegap --help` does not wait for them."""
    if name == "__version__":  # stated once, in pyproject.toml
        from importlib.metadata import version

        return version("facegap")
    if name == "statistics":
        import facegap.statistics

        return facegap.statistics
    if name == "Run":
        from facegap.report.notebook import Run

        return Run
    raise AttributeError(f"module 'facegap' has no attribute {name!r}")
