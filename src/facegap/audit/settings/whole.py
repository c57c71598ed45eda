"""All settings of an audit: read from keywords, stored in run.json, changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from facegap.audit.settings.faces import Faces
from facegap.audit.settings.groups import Groups
from facegap.audit.settings.identify import Identify
from facegap.audit.settings.models import CallableModel, Models, model_name
from facegap.audit.settings.output import Output
from facegap.audit.settings.service import Service
from facegap.audit.settings.setting import IDENTIFICATION, MODELS, SETTING, option_name, setting, settle
from facegap.audit.settings.values import terms
from facegap.audit.settings.verify import Verify
from facegap.errors import SettingError

S = TypeVar("S")


@dataclass(frozen=True)
class AuditSettings:
    """All settings of an audit, except the files it reads and the folder it writes.

    stated : names of settings that the caller gave, even with their default value, to compare them with a plan
    """

    detect: str = setting(
        "yunet",
        help="Detector: name of a card, a .toml card, or an .onnx file with a card next to it; 'aligned' if images are already "
        "crops; 'none' for a black-box service",
        heading=MODELS,
        write=model_name,
    )
    classify: str | CallableModel | None = setting(
        None, help="Classifier of gender and age, given in the same way", heading=MODELS, write=model_name
    )
    embed: str | CallableModel | None = setting(
        None, help="Embedder, given in the same way", heading=MODELS, write=model_name
    )
    by: str | None = setting(
        None,
        help="Groups: 'gender,race' uses each column separately, 'gender*race' crosses them",
        without="each label column separately",
        read=terms,
    )
    output: Output = field(default=Output())
    models: Models = field(default=Models())
    faces: Faces = field(default=Faces())
    groups: Groups = field(default=Groups())
    verify: Verify = field(default=Verify())
    identify: Identify | None = setting(
        None, help="Also search a gallery (1:N), at the same thresholds", heading=IDENTIFICATION
    )
    service: Service = field(default=Service())
    stated: tuple[str, ...] = setting((), help="", recorded=False, option=False)

    def __post_init__(self) -> None:
        """Check each value and their combinations."""
        settle(self)
        if self.faces.points is not None and (self.detect != AuditSettings.detect or "detect" in self.stated):
            raise SettingError(
                f"--points and --detect {self.detect} contradict each other: no detector runs if points are given; "
                f"omit one of the two"
            )
        if self.identify is not None and self.verify.threshold_by == "folds":
            raise SettingError(
                "--threshold-by folds and --identify contradict each other: a gallery is searched at thresholds set "
                "on held-out subjects; omit one of the two"
            )
        if self.identify is not None and self.verify.fold_column is not None:
            raise SettingError("--fold-column and --identify contradict each other; omit one of the two")
        if self.verify.edge_fmr is not None and self.groups.cluster:
            raise SettingError(
                "--edge-fmr and --cluster contradict each other: false matches are counted for each subject, not for pairs within a "
                "sampling unit; omit one of the two"
            )

    @property
    def by_folds(self) -> bool:
        """Whether thresholds are set by folds, the default for verification (1:1). Identification (1:N) keeps the split."""
        return self.identify is None and self.verify.by_folds


SECTIONS: Mapping[str, type[Any]] = {  # the settings classes by their field names in AuditSettings
    "models": Models,
    "faces": Faces,
    "groups": Groups,
    "verify": Verify,
    "identify": Identify,
    "service": Service,
    "output": Output,
}


def leaves(section: type[Any] = AuditSettings) -> Iterator[tuple[str, Field[Any]]]:
    """(section, setting) of every setting in order; the section of detect, classify, embed and by is empty."""
    for one in fields(section):
        if one.name in SECTIONS:
            yield from ((one.name, inner) for inner in fields(SECTIONS[one.name]))
        else:
            yield "", one


def section_of(kind: type[S], given: S | Mapping[str, Any] | bool | None) -> S:
    """A settings object from the forms a caller may give: an instance, a mapping of keywords, or True or None for the defaults.

    Raises
    ------
    SettingError : if a keyword is not a setting
    """
    if isinstance(given, kind):
        return given
    if given is None or given is True:
        return kind()
    if not isinstance(given, Mapping):
        raise SettingError(f"{kind.__name__}: {given!r} is neither {kind.__name__}(...) nor a mapping of its settings")
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    for word in given:
        if word not in names:
            raise SettingError(f"{kind.__name__} has no setting {word!r}{suggestion(word, names)}")
    return kind(**given)


def suggestion(word: str, names: Sequence[str]) -> str:
    """A hint with the nearest name, or with all of them."""
    close = difflib.get_close_matches(str(word), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; its settings are {', '.join(names)}"


def settings_from(words: Mapping[str, Any], *, identify: bool = False) -> AuditSettings:
    """Settings from single keywords, as on the command line: {"detect": "yunet", "min_face": 20, "fmr": [0.001]}.

    identify : whether a gallery is searched; its settings are read only in this case

    Raises
    ------
    SettingError : if a keyword is not a setting, or a value is out of bounds
    """
    sorted_words: dict[str, dict[str, Any]] = {}
    known = {one.name: section for section, one in leaves()}
    for word, value in words.items():
        if word not in known:
            raise SettingError(f"there is no setting {word!r}{suggestion(word, list(known))}")
        sorted_words.setdefault(known[word], {})[word] = value
    if not identify:
        sorted_words.pop("identify", None)
    else:
        sorted_words.setdefault("identify", {})
    own = sorted_words.pop("", {})
    return AuditSettings(**own, **{name: SECTIONS[name](**chosen) for name, chosen in sorted_words.items()})


def recorded(chosen: Any) -> dict[str, Any]:
    """The settings that affect results, in the form stored in run.json: plain values, paths without their folders."""
    kept: dict[str, Any] = {}
    for one in fields(chosen):
        value, known = getattr(chosen, one.name), one.metadata.get(SETTING)
        if is_dataclass(value) and not isinstance(value, CallableModel):
            kept[one.name] = recorded(value)
        elif known is None or known.recorded:
            kept[one.name] = as_recorded(one, value)
    return {name: value for name, value in kept.items() if value != {}}


def as_recorded(one: Field[Any], value: Any) -> Any:
    """One value as it will be read back from JSON."""
    write = one.metadata[SETTING].write if SETTING in one.metadata else None
    if value is not None and write is not None:
        value = write(value)
    return list(value) if isinstance(value, tuple) else value


def differing(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings that differ from their defaults, by option: what a command must state to reproduce them."""
    found: dict[str, Any] = {"--identify": True} if kept.get("identify") else {}
    for section, one in leaves():
        place = kept if not section else kept.get(section) or {}
        if one.name not in place or not one.metadata[SETTING].recorded:
            continue
        value, default = place[one.name], as_recorded(one, one.default)
        if isinstance(default, bool):
            found |= {option_name(one): True} if value != default else {}
        elif value != default:
            found[option_name(one)] = value
    return found


def changed(chosen: AuditSettings, **words: Any) -> AuditSettings:
    """The settings with single values changed, in whichever section they are."""
    for section, one in leaves():
        if one.name in words:
            value = {one.name: words.pop(one.name)}
            chosen = replace(chosen, **({section: replace(getattr(chosen, section), **value)} if section else value))
    assert not words, words
    return chosen


assert all(one.default is not MISSING for section in SECTIONS.values() for one in fields(section))
