"""The text of the annotation pages for each scale, and the reasons for skipping an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from facegap.errors import FacegapError
from facegap.groups.scales import Scale
from facegap.report.text import clean

OTHER = "other"
MOST_NOTE_CHARACTERS = 200
SKIP_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "no_face": "No face visible",
        "several_people": "Several people, and it is unclear which one is meant",
        "no_colour": "Black and white",
        "too_dark_or_bright": "Too dark or too bright",
        "coloured_light": "Coloured or uneven light",
        "covered": "Skin is covered, painted or retouched",
        "too_small": "Too small or blurred",
        "not_shown": "The photograph is not shown",
        OTHER: "Another reason",
    }
)


@dataclass(frozen=True)
class Wording:
    """The text of the page for one scale.

    question     : the legend of the choices
    advice       : sentences above the photographs
    descriptions : one per label, "" if the label needs none
    """

    question: str
    advice: tuple[str, ...]
    descriptions: tuple[str, ...]


LOOK = (
    "Look at the skin of cheeks and forehead, not at lips, hair, highlights or shadows.",
    "Describe what the photograph shows. Do not judge where the person is from.",
)
WORDINGS: Mapping[str, Wording] = MappingProxyType(
    {
        "monk": Wording(
            "Which of the ten colours is nearest to the skin? 1 is the lightest, 10 the darkest.",
            (*LOOK, "Turn off night light and warm colours of your screen, and keep its brightness the same."),
            ("",) * 10,
        ),
        "fitzpatrick": Wording(
            "Which Fitzpatrick type fits the skin best? I is the lightest, VI the darkest.",
            (*LOOK, "The types describe how skin reacts to the sun. They have no colours, so none are shown."),
            (
                "very light; always burns, never tans",
                "light; burns easily, tans little",
                "light to medium; sometimes burns, tans slowly",
                "medium, olive or light brown; seldom burns, tans well",
                "brown; very seldom burns, tans deeply",
                "dark brown to black; never burns",
            ),
        ),
        "lighter_darker": Wording(
            "Is the skin lighter or darker?",
            LOOK,
            ("Fitzpatrick I to III, Monk 1 to 5", "Fitzpatrick IV to VI, Monk 6 to 10"),
        ),
    }
)


def wording_of(scale: Scale) -> Wording:
    """The text of the page for this scale.

    Raises
    ------
    FacegapError : a measured scale, which cannot be annotated by eye
    """
    if scale.name not in WORDINGS:
        cure = f"use --scale {', '.join(WORDINGS)}, or measure it with facegap tone"
        raise FacegapError(f"the scale {scale.name} divides a measured colour, which cannot be assessed by eye; {cure}")
    return WORDINGS[scale.name]


def skip_reason(reason: str, note: str) -> str | None:
    """The reason as it is stored; only `other` has a note. None for an unknown reason."""
    if reason not in SKIP_REASONS:
        return None
    said = clean(" ".join(note.split())[:MOST_NOTE_CHARACTERS])
    return f"{OTHER}: {said}" if reason == OTHER and said else reason
