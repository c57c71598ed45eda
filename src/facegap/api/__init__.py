"""The public functions of facegap. Each is one call of the audit or of a tool.

This package is imported with facegap, so it imports nothing that takes time.
"""

from facegap.api.audits import audit, audit_embeddings, audit_predictions, audit_scores
from facegap.api.metric_frame import metric_frame
from facegap.api.runs import compare, explain, read_manifest, read_run, recheck
from facegap.api.stress import stress

__all__ = [
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
    "stress",
]
