"""facegap: accuracy gaps of ONNX face models between groups of people, with honest uncertainty.

>>> import facegap as fg
>>> run = fg.audit("manifest.csv", detect="yunet", classify="faceapi_age_gender")  # doctest: +SKIP
>>> run.rates, run.gaps  # doctest: +SKIP
"""

# Two functions have the name of a subpackage. Python binds a subpackage to its parent when it is first imported, so both
# are imported before the functions are bound, and nothing rebinds the names later.
import facegap.audit
import facegap.compare  # noqa: F401
from facegap.api import audit, audit_embeddings, audit_predictions, audit_scores, recheck
from facegap.audit.settings import CallableModel, Faces, Groups, Identify, Models, Output, Service, Verify
from facegap.errors import FacegapError

__all__ = [
    "CallableModel",
    "FacegapError",
    "Faces",
    "Groups",
    "Identify",
    "Models",
    "Output",
    "Service",
    "Verify",
    "__version__",
    "audit",
    "audit_embeddings",
    "audit_predictions",
    "audit_scores",
    "recheck",
]
__version__ = "0.1.0"
