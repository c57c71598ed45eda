"""facegap: accuracy gaps of ONNX face models between groups of people, with honest uncertainty.

>>> import facegap as fg
>>> run = fg.audit("manifest.csv", detect="yunet", classify="faceapi_age_gender")  # doctest: +SKIP
>>> run.rates, run.gaps  # doctest: +SKIP
"""

from facegap.audit.run import audit, recheck
from facegap.errors import FacegapError

__all__ = ["FacegapError", "__version__", "audit", "recheck"]
__version__ = "0.1.0"
