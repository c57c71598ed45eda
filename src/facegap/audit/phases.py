"""The phases of an audit by name, in the order in which they begin, so that a display can show which one of how many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facegap.audit.settings import AuditSettings

ASKED = "calling the service until every gap is decided"
THRESHOLD_SET = "running the models on the threshold set"
IMAGES = "running the models"
PAIRS = "comparing pairs"
SEARCHES = "searching the gallery"
RATES = "rates, intervals and gaps"
REPORT = "charts and report"  # announced by the command that writes them


def counted_by(settings: AuditSettings) -> str:
    """The unit that the progress of an audit counts, in the plural.

    Examples
    --------
    >>> from facegap.audit.settings import AuditSettings
    >>> counted_by(AuditSettings(classify="faceapi_age_gender"))
    'images'
    """
    if settings.service.verify_service is not None:
        return "pairs"
    return "people" if settings.service.stop_when_decided else "images"


def phases_of(settings: AuditSettings) -> tuple[str, ...]:
    """The phases of an audit of images, including its report.

    Examples
    --------
    >>> from facegap.audit.settings import AuditSettings
    >>> phases_of(AuditSettings(classify="faceapi_age_gender"))
    ('running the models', 'rates, intervals and gaps', 'charts and report')
    """
    if settings.service.verify_service is not None:
        return (PAIRS, RATES, REPORT)
    if settings.service.search_service is not None:
        return (SEARCHES, RATES, REPORT)
    compares = settings.embed is not None
    return (
        *((THRESHOLD_SET,) if settings.verify.threshold_on is not None else ()),
        *((ASKED,) if settings.service.stop_when_decided else ()),
        IMAGES,
        *((PAIRS,) if compares else ()),
        *((SEARCHES,) if compares and settings.identify is not None else ()),
        RATES,
        REPORT,
    )


OF_PREDICTIONS = (RATES, REPORT)  # of an audit of predictions
OF_COMPARISONS = (PAIRS, RATES, REPORT)  # of an audit of templates or scores
