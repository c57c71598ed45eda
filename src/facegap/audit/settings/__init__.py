"""All settings of an audit: their defaults, bounds and help.

The command-line options are generated from these classes, and the command that reproduces a run is printed from the
settings in its run.json that differ from their defaults. The folder is loaded with the package, so it imports nothing
slow.
"""

from facegap.audit.settings.faces import ALIGNED, NO_DETECT, POINTS, Faces
from facegap.audit.settings.groups import Groups
from facegap.audit.settings.identify import Identify
from facegap.audit.settings.models import CallableModel, Models
from facegap.audit.settings.output import Output
from facegap.audit.settings.service import Service
from facegap.audit.settings.setting import MACHINES, SETTING, Setting, default_of, option_name
from facegap.audit.settings.values import PUBLISHED, age_band_parts, column_names, file_name, margin_parts, margin_texts
from facegap.audit.settings.verify import NO_TARGET_OF_SAMPLE, TARGET_AND_THRESHOLD, Verify
from facegap.audit.settings.whole import (
    SECTIONS,
    AuditSettings,
    changed,
    differing,
    leaves,
    recorded,
    section_of,
    settings_from,
    suggestion,
)

__all__ = [
    "ALIGNED",
    "MACHINES",
    "NO_DETECT",
    "NO_TARGET_OF_SAMPLE",
    "POINTS",
    "PUBLISHED",
    "SECTIONS",
    "SETTING",
    "TARGET_AND_THRESHOLD",
    "AuditSettings",
    "CallableModel",
    "Faces",
    "Groups",
    "Identify",
    "Models",
    "Output",
    "Service",
    "Setting",
    "Verify",
    "age_band_parts",
    "changed",
    "column_names",
    "default_of",
    "differing",
    "file_name",
    "leaves",
    "margin_parts",
    "margin_texts",
    "option_name",
    "recorded",
    "section_of",
    "settings_from",
    "suggestion",
]
