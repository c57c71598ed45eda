"""Every setting of an audit: its default, its bounds and its help, here and nowhere else.

The options of the command line are generated from these classes, and the command that makes a run again is printed from
the settings in its run.json that differ from their defaults. This file is loaded with the package, so it imports nothing
that takes time.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal, TypeVar

from facegap.errors import SettingError

PUBLISHED: Literal["published"] = "published"
NO_DETECT = "none"
ALIGNED = "aligned"  # in place of a detector: every image is a crop already
POINTS = "points"  # in place of a detector: a file says where faces are
MOST_LETTERS = 120  # of a name that stands in a heading
SETTING = "setting"  # key of a Setting in the metadata of a field

# headings of the help
MODELS = "Models"
FACES = "Faces"
GROUPS = "Groups"
LABELS = "Labels of skin tone"
VERIFICATION = "Verification (1:1)"
IDENTIFICATION = "Identification (1:N)"
AGES = "Age checks"
SERVICE = "Black-box service"
MACHINES = "Several machines"
LOCAL, MOST_LOCAL = "local:", 256  # before the number of processes of this machine

S = TypeVar("S")


@dataclass(frozen=True)
class Setting:
    """What is known of one setting apart from its name, type and default.

    help             : one sentence, printed by --help
    heading          : heading of the help that the option stands under; empty: the first
    flag             : name of the option where it is not the name of the field
    minimum, maximum : bounds of the value, or of each of several values
    recorded         : whether it decides a result, so that run.json keeps it and --resume must find it unchanged
    free_on_resume   : recorded, but a run that was broken off may be resumed with another value: it decides no result
    option           : whether the command line has it; a function is given in Python only
    without          : what is done without it, in words, where the default is None or nothing
    command_default  : default of the command line where it differs: a command leaves a folder, a function need not
    read, write      : make the value of what a caller gives, and of the value what run.json keeps
    """

    help: str
    heading: str = ""
    flag: str = ""
    minimum: float | None = None
    maximum: float | None = None
    recorded: bool = True
    free_on_resume: bool = False
    option: bool = True
    without: str = ""
    command_default: Any = None
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any], Any] | None = None


def setting(default: Any, *, help: str, **known: Any) -> Any:
    """A field of a settings class with its default; `known` are fields of `Setting`."""
    return field(default=default, metadata={SETTING: Setting(help, **known)})


# ---- values as callers give them, and as run.json keeps them ----


def one_or_many(kind: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """A reader of one value or several: each once, in the order given."""

    def read(value: Any) -> tuple[Any, ...]:
        several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        return tuple(dict.fromkeys(kind(one) for one in several))

    return read


def in_order(value: Any) -> tuple[int, ...]:
    """Whole numbers, rising, each once."""
    return tuple(sorted(one_or_many(int)(value)))


def path(value: Any) -> Path:
    """A path; text is taken as one."""
    return Path(value)


def accepted_score(value: Any) -> float | Literal["published"]:
    """A score to accept from, or the word `published`."""
    if value == PUBLISHED:
        return PUBLISHED
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SettingError(f"--threshold: {value!r} is neither a number nor '{PUBLISHED}'") from None


def margin_parts(text: str) -> tuple[str, Literal["difference", "ratio"], float]:
    """Metric, scale and size of a margin as --margin takes it: "fnmr=x2" is a ratio, "fnmr=0.02" a difference.

    Raises
    ------
    SettingError : no such text; a ratio that is not above 1, or a difference that is not between 0 and 1

    Examples
    --------
    >>> margin_parts("fnmr=x2"), margin_parts("fnmr=0.02")
    (('fnmr', 'ratio', 2.0), ('fnmr', 'difference', 0.02))
    """
    name, sign, value = (part.strip() for part in text.partition("="))
    is_ratio = value.startswith("x")
    try:
        size = float(value.removeprefix("x"))
    except ValueError:
        size = math.nan
    if not name or not sign or math.isnan(size):
        raise SettingError(
            f"--margin {text!r} is not understood; give METRIC=VALUE, such as fnmr=x2 (a ratio of 2) or fnmr=0.02 (a "
            "difference of 2 points)"
        )
    if is_ratio and not 1 < size < math.inf:
        raise SettingError(f"--margin {text}: a ratio is above 1; x2 is twice as many errors")
    if not is_ratio and not 0 < size < 1:
        raise SettingError(
            f"--margin {text}: a difference is between 0 and 1; 0.02 is 2 points. A ratio is written with an x: "
            f"{name}=x2"
        )
    return name, "ratio" if is_ratio else "difference", size


def margin_texts(value: Any) -> tuple[str, ...]:
    """Margins as text or as a mapping from metric to value, in one spelling, each metric once."""
    given = [f"{name}={size}" for name, size in value.items()] if isinstance(value, Mapping) else value
    found: dict[str, str] = {}
    for text in one_or_many(str)(given):
        name, scale, size = margin_parts(text)
        spelling = f"{name}={'x' if scale == 'ratio' else ''}{size!r}".removesuffix(".0")
        if found.setdefault(name, spelling) != spelling:
            raise SettingError(f"--margin: {name} is given twice, as {found[name]} and {spelling}; give one of them")
    return tuple(found.values())


def terms(value: Any) -> str:
    """The groupings of --by as one text."""
    return value if isinstance(value, str) else ",".join(value)


def short_text(value: Any) -> str:
    """Text of one line, for a heading: without blanks around it and at most MOST_LETTERS long."""
    text = " ".join(str(value).split())
    if not text or len(text) > MOST_LETTERS:
        raise ValueError(f"give from 1 to {MOST_LETTERS} letters")
    return text


def column_names(value: Any) -> tuple[str, ...]:
    """Names of columns, with commas between or one by one: each once, in the order given."""
    several = [value] if isinstance(value, str) else value
    names = [name.strip() for text in several for name in str(text).split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def age_band_parts(text: str) -> tuple[int, int, int]:
    """First age, last age and width in years of the bands that --age-bands takes: "0-99/10", "18-30/1", "18-30" (by year).

    Raises
    ------
    SettingError : no such text; more than 150 years, or bands that do not fill the range

    Examples
    --------
    >>> age_band_parts("0-99/10"), age_band_parts("18-30")
    ((0, 99, 10), (18, 30, 1))
    """
    ages, slash, width = text.replace(" ", "").partition("/")
    first, dash, last = ages.partition("-")
    digits = [first, last, width if slash else "1"]
    if not dash or not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in digits):
        raise SettingError(f"--age-bands {text!r}: write FIRST-LAST/WIDTH in years, such as 0-99/10 or 18-30/1")
    low, high, step = (int(part) for part in digits)
    if not 0 <= low <= high <= 150 or step < 1 or (high - low + 1) % step:
        raise SettingError(
            f"--age-bands {text}: bands of {step} years do not fill the ages from {low} to {high}, or these are none from 0 to 150; "
            "0-99/10 is ten bands of ten years"
        )
    return low, high, step


def age_bands_text(value: Any) -> str:
    """Age bands in one spelling."""
    first, last, width = age_band_parts(str(value))
    return f"{first}-{last}/{width}"


def scheduler_place(value: Any) -> str:
    """Where a scheduler is, as --scheduler takes it: local:2, tcp://host:8786, or the path of a scheduler file.

    Raises
    ------
    SettingError : nothing of it
    """
    text = str(value)
    number = text.removeprefix(LOCAL)
    if text.startswith(LOCAL) and number.isascii() and number.isdigit() and 0 < int(number) <= MOST_LOCAL:
        return text
    if text.startswith(("tcp://", "tls://", "ucx://", "ws://", "wss://")) or text.endswith(".json"):
        return text
    raise SettingError(
        f"--scheduler {text}: write local:N for N processes of this machine (up to {MOST_LOCAL}), the address of a scheduler such as "
        "tcp://host:8786, or the path of a scheduler file that ends in .json"
    )


def file_name(value: Any) -> str:
    """A path without its folders: run folders are handed on, and a path says who made them."""
    return PurePath(str(value)).name


def file_names(value: Any) -> list[str]:
    """Paths without their folders."""
    return [file_name(one) for one in value]


def model_name(value: Any) -> Any:
    """How a model was named: a path without its folders, a function with all that is known of it."""
    return value.recorded() if isinstance(value, CallableModel) else file_name(value)


# ---- what is checked of every settings object ----


def settle(chosen: Any) -> None:
    """Bring the values of a settings object into their own types, and refuse those out of bounds.

    Raises
    ------
    SettingError : naming the option, the value and the bounds
    """
    for one in fields(chosen):
        value, known = getattr(chosen, one.name), one.metadata.get(SETTING)
        if value is None or known is None:
            continue
        if known.read is not None:
            try:
                value = known.read(value)
            except (TypeError, ValueError) as error:
                if isinstance(error, SettingError):
                    raise
                raise SettingError(f"{option_name(one)}: {value!r} is not understood ({error})") from None
            object.__setattr__(chosen, one.name, value)
        for single in value if isinstance(value, tuple) else (value,):
            require_bounds(one, single)


def require_bounds(one: Field[Any], value: Any) -> None:
    """Raise SettingError where a number is not within the bounds of its setting; not a number is within none."""
    known = one.metadata[SETTING]
    low, high = known.minimum, known.maximum
    if not isinstance(value, int | float) or (low is None and high is None):
        return
    if (low is None or value >= low) and (high is None or value <= high):
        return
    bounds = f"from {low:g} to {high:g}" if high is not None and low is not None else f"{low:g} or more"
    raise SettingError(f"{option_name(one)} {value:g}: must be {bounds}")


def option_name(one: Field[Any]) -> str:
    """The option of a setting."""
    known = one.metadata.get(SETTING)
    return (known.flag if known else "") or f"--{one.name.replace('_', '-')}"


def default_of(section: type[Any], name: str) -> Any:
    """The default of a setting."""
    return next(one.default for one in fields(section) if one.name == name)


# ---- the settings ----


@dataclass(frozen=True)
class CallableModel:
    """A Python function in place of a model file: images in, embeddings or class probabilities out.

    The function gets uint8 (n, height, width, 3), RGB, and returns one row per image: an embedding, or a probability per
    class. It is called by one thread at a time. A run.json names the function, and the run cannot be made again from it.

    Parameters
    ----------
    function : callable
        The model.
    task : {"embed", "classify"}
        What the rows are.
    size : (int, int)
        Width and height of the crops in pixels.
    classes : sequence of str
        Of a classifier: the labels of gender that its columns stand for, in order, such as ``("male", "female")``.
    template : {"arcface"}
        Of an embedder: where the five points of an aligned face lie. `arcface` is the template of 112 x 112 pixels of
        ArcFace, scaled to `size`.
    name : str, optional
        What the tables call the model; the name of the function where none is given.

    Examples
    --------
    >>> def mean_colour(faces):
    ...     return faces.mean(axis=(1, 2))
    >>> CallableModel(mean_colour, "embed", (112, 112)).name
    'mean_colour'
    """

    function: Callable[[Any], Any]
    task: Literal["embed", "classify"]
    size: tuple[int, int]
    classes: tuple[str, ...] = ()
    template: Literal["arcface"] = "arcface"
    name: str = ""

    def __post_init__(self) -> None:
        """Check what can be checked before an image is there."""
        if not callable(self.function):
            raise SettingError(
                f"CallableModel: {self.function!r} cannot be called; give a function of a batch of images"
            )
        width, height = self.size
        if self.task not in ("embed", "classify") or self.template != "arcface" or min(width, height) < 1:
            raise SettingError(
                f"CallableModel: task {self.task!r}, size {width} x {height}, template {self.template!r}; the task is embed "
                "or classify, the size at least 1 x 1 pixels, the template arcface"
            )
        classes = tuple(self.classes)
        if self.task == "classify" and (len(classes) < 2 or len(set(classes)) < len(classes)):
            raise SettingError(
                "CallableModel: a classifier names each of its classes once, two at least: classes=(...)"
            )
        object.__setattr__(self, "size", (int(width), int(height)))
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "name", self.name or getattr(self.function, "__name__", type(self.function).__name__))

    def recorded(self) -> dict[str, Any]:
        """What run.json keeps of it."""
        kind = type(self.function)
        module = getattr(self.function, "__module__", None) or kind.__module__
        known = {"function": f"{module}.{getattr(self.function, '__qualname__', kind.__qualname__)}"}
        placed = {"template": self.template} if self.task == "embed" else {"classes": list(self.classes)}
        return {"name": self.name, **known, "task": self.task, "size": list(self.size), **placed}


@dataclass(frozen=True)
class Models:
    """Where models are found, how they run, and whether the detector alone is audited."""

    models_dir: tuple[Path, ...] = setting(
        (),
        help="Folder with .onnx files; repeatable. FACEGAP_MODELS adds more folders",
        read=one_or_many(path),
        recorded=False,
    )
    device: Literal["cpu", "cuda", "openvino", "tensorrt", "coreml", "directml", "webgpu"] = setting(
        "cpu", help="Device for inference. Fails if unavailable; never falls back", heading=MODELS
    )
    batch: int = setting(
        8, help="Faces per model call, where the graph allows it", heading=MODELS, minimum=1, maximum=1024
    )
    workers: int | None = setting(
        None,
        help="Number of parts of the manifest processed in parallel",
        heading=MODELS,
        minimum=1,
        maximum=256,
        without="processors",
        recorded=False,
    )
    model_timeout: float = setting(
        120.0,
        help="Time limit in seconds for one batch; increase it for slow machines and large batches",
        heading=MODELS,
        minimum=1,
        maximum=86_400,
        free_on_resume=True,
    )
    no_isolation: bool = setting(
        False,
        help="Run models in this process, without limits on time, memory and files; only for model files that you trust",
        heading=MODELS,
    )
    detect_only: bool = setting(False, help="Audit the detector only, without --classify and --embed", heading=MODELS)
    flip: bool = setting(
        False,
        help="Add the embedding of the mirrored face to that of the face, as in InsightFace's flip test",
        heading=MODELS,
    )

    scheduler: str | None = setting(
        None,
        help="Run on a dask.distributed cluster: local:N for N processes here, the address of a scheduler, or a scheduler file",
        heading=MACHINES,
        read=scheduler_place,
        recorded=False,
        without="in this process",
    )
    ship_images: bool = setting(
        False,
        help="--scheduler: send images to workers that do not see their folder; templates are then compared here",
        heading=MACHINES,
        recorded=False,
    )
    mixed_workers: bool = setting(
        False,
        help="--scheduler: accept workers of several processors or versions; the run says so",
        heading=MACHINES,
        recorded=False,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)
        if self.scheduler is None and (self.ship_images or self.mixed_workers):
            raise SettingError("--ship-images and --mixed-workers are of --scheduler; name one, or leave them out")

    @property
    def timeout_s(self) -> float | None:
        """The deadline of a batch in a process of its own; None where models run in this process."""
        return None if self.no_isolation else self.model_timeout


@dataclass(frozen=True)
class Faces:
    """Which images are opened and which face of an image counts."""

    many_faces: Literal["largest", "refuse", "centre"] = setting(
        "largest", help="Which face to use if an image has several", heading=FACES
    )
    min_face: int = setting(
        12,
        help="Minimum length in pixels of a face's shorter side; smaller faces get the outcome too_small",
        heading=FACES,
        minimum=1,
    )
    points: Path | None = setting(
        None,
        help="CSV or parquet file with five points per image, x1,y1 ... x5,y5 in pixels; no detector is run",
        heading=FACES,
        read=path,
        write=file_name,
        without="points found by the detector",
    )
    frames_per_second: float = setting(
        2.0,
        help="Frames to sample per second of video",
        heading=FACES,
        minimum=0.01,
        maximum=240,
    )
    max_frames: int = setting(
        30, help="Maximum number of frames per video, from its beginning", heading=FACES, minimum=1, maximum=1000
    )
    images_dir: Path | None = setting(
        None,
        help="Folder to which image paths in the manifest are relative",
        read=path,
        recorded=False,
        without="the manifest's folder",
    )
    allow_outside: bool = setting(False, help="Accept images outside the images folder")
    allow_reduced_crop: bool = setting(
        False,
        help="If a model needs a larger crop than the image allows, use the largest possible crop; otherwise the image is not a trial",
        heading=FACES,
    )
    colour: Literal["managed", "as-stored"] = setting(
        "managed",
        help="Convert pixels to sRGB using the colour profile in the file, or use them as stored, as cv2.imread does",
        heading=FACES,
    )
    quality: str | None = setting(
        None,
        help="Image quality measure, to show which images a quality gate would reject: template_norm, sharpness, inter_eye_px, "
        "face_share, cheek_balance, jpeg_quality or score; a model of task quality (card name, .toml or .onnx); or a CSV or "
        "parquet file with quality scores, such as OFIQ's",
        heading=FACES,
        read=str,
        write=file_name,
        without="no quality gate",
    )
    quality_column: str | None = setting(
        None,
        help="Column of the --quality file; for an OFIQ file a measure such as Sharpness",
        heading=FACES,
        without="the only column, or quality; UnifiedQualityScore for an OFIQ file",
    )
    quality_discard: float = setting(
        0.1,
        help="Proportion of images that the quality gate rejects",
        heading=FACES,
        minimum=0,
        maximum=0.9,
    )
    quality_below: float | None = setting(
        None,
        help="Reject images with a quality below this value",
        heading=FACES,
        without="--quality-discard",
    )
    allow_missing: bool = setting(
        False,
        help="Continue if image files are missing or unreadable; they are excluded from all rates",
        recorded=False,
    )
    age_limit: float | None = setting(
        None,
        help="Legal age of an age check: adds how often people under it pass and how often people over it must show a document",
        heading=AGES,
        minimum=1,
        maximum=120,
        without="no age check",
    )
    challenge: float | None = setting(
        None,
        help="Estimated age from which a person passes the age check without a document",
        heading=AGES,
        minimum=1,
        maximum=150,
        without="--age-limit",
    )
    age_fpr_target: float | None = setting(
        None,
        help="Find the --challenge age at which no group's false positive rate exceeds this value, and its cost",
        heading=AGES,
        minimum=1e-6,
        maximum=0.5,
    )
    age_from: tuple[str, ...] = setting(
        (),
        help="BIRTH,PHOTO: columns with the year of birth and the year of the photograph, if there is no column age",
        heading=AGES,
        read=column_names,
        without="birth_year,photo_year, if both exist",
    )
    age_bands: str = setting(
        "0-99/10",
        help="FIRST-LAST/WIDTH in years: age bands with equal weights when age errors are compared at equal ages; NIST uses 18-30/1",
        heading=AGES,
        read=age_bands_text,
    )
    age_margin: float = setting(
        1.0,
        help="Margin for the difference in mean age error between groups, in years",
        heading=AGES,
        minimum=0.01,
        maximum=50,
    )

    def __post_init__(self) -> None:
        """Check the values and what they say together."""
        settle(self)
        if self.age_limit is None:
            for name, value in (("--challenge", self.challenge), ("--age-fpr-target", self.age_fpr_target)):
                if value is not None:
                    raise SettingError(
                        f"{name} {value:g}: takes effect with --age-limit only; add it, such as --age-limit 18"
                    )
        elif self.challenge is not None and self.challenge < self.age_limit:
            raise SettingError(
                f"--challenge {self.challenge:g} is below --age-limit {self.age_limit:g}: everybody estimated in between would be let "
                "pass under age; give the limit or more"
            )
        if self.age_from and len(self.age_from) != 2:
            raise SettingError(
                f"--age-from {','.join(self.age_from)}: name two columns, the year of birth and that of the photograph"
            )


@dataclass(frozen=True)
class Groups:
    """Which rows take part, what is joined to their labels, and which groups are large enough to test."""

    where: str | None = setting(
        None, help="Keep only rows that meet a condition: \"age not in ('0-2', '3-9') and gender == 'female'\""
    )
    map: tuple[str, ...] = setting(
        (),
        help="COLUMN:WORD=LABEL translates words in the manifest: gender:weiblich=female,gender:maennlich=male",
        read=one_or_many(str),
    )
    keep_words: bool = setting(False, help="Treat None, null, nan, n/a, - and ? as labels, not as missing values")
    merge_spellings: bool = setting(
        False, help="Merge labels that differ only in case, Unicode form, spaces or number format"
    )
    subjects_as_written: bool = setting(False, help="Treat every spelling of a subject as a different person")
    data_name: str | None = setting(
        None, help="Name of the data in reports, such as 'FairFace validation'", read=short_text, without="no name"
    )
    tone: Path | None = setting(
        None,
        help="Table from `facegap tone`: adds the labels measured_tone and measured_monk",
        heading=LABELS,
        read=path,
        write=file_name,
    )
    annotations: Path | None = setting(
        None,
        help="CSV file from `facegap annotate`: adds the labels annotated_tone and annotated_SCALE",
        heading=LABELS,
        read=path,
        write=file_name,
    )
    label_draws: int = setting(
        200,
        help="Number of times these labels are resampled (with --seed), so that gaps include their uncertainty",
        heading=LABELS,
        minimum=2,
        maximum=10_000,
    )
    label_errors: float | None = setting(
        None,
        help="Proportion of images, pairs or searches whose group label may be wrong: verdicts hold even if all of them are errors",
        heading=LABELS,
        minimum=0,
        maximum=0.5,
        without="labels are taken as correct, or label errors as independent of the model's errors",
    )
    cluster: tuple[str, ...] = setting(
        (),
        help="COLUMN[,COLUMN] that defines the sampling unit, such as photographer, session, family or source",
        heading=GROUPS,
        read=column_names,
        without="the subject",
    )
    weights: str | None = setting(
        None,
        help="COLUMN with the population weight of each image: adds weighted rates and gaps",
        heading=GROUPS,
        without="equal weights",
    )
    shares: Path | None = setting(
        None,
        help="CSV file with label columns and 'share': adds rates standardised to the composition of this population",
        heading=GROUPS,
        read=path,
        write=file_name,
    )
    slope: tuple[str, ...] = setting(
        (),
        help="COLUMN[,COLUMN] of numbers, such as age in years or measured_ita: how each error rate changes with it",
        heading=GROUPS,
        read=column_names,
    )
    covariates: tuple[str, ...] = setting(
        (),
        help="NAME[,NAME]: report how much of each gap of the first grouping remains after balancing these covariates, such as "
        "background_luminance_50,sharpness (docs/covariates.md)",
        heading=GROUPS,
        read=column_names,
    )
    min_subjects: int = setting(
        20,
        help="Groups with fewer effective subjects are shown but neither ranked nor tested",
        heading=GROUPS,
        minimum=2,
    )
    per_person: bool = setting(
        False,
        help="Give equal weight to people (for impostor pairs, to pairs of people) rather than to images or pairs",
        heading=GROUPS,
    )
    level: float = setting(0.95, help="Confidence level of the intervals", heading=GROUPS, minimum=0.5, maximum=0.9999)
    margin: tuple[str, ...] = setting(
        (),
        help="METRIC=VALUE, the smallest gap that matters: fnmr=x2 is a ratio, fnmr=0.02 a difference; repeatable",
        heading=GROUPS,
        read=margin_texts,
        without="each metric's default margin",
    )
    alpha: float = setting(
        0.05,
        help="Probability of any false alarm among the gaps of the primary family",
        heading=GROUPS,
        minimum=0.0001,
        maximum=0.2,
    )
    plan: Path | None = setting(
        None,
        help="plan.toml from `facegap plan`: evaluate the run by this plan; an option that contradicts it is an error",
        heading=GROUPS,
        read=path,
        write=file_name,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)


@dataclass(frozen=True)
class Verify:
    """How thresholds are set and which pairs are compared (1:1).

    A threshold replaces the targets: `Verify(threshold=0.4).fmr` is empty.
    """

    fmr: tuple[float, ...] = setting(
        (1e-3,),
        help="Target false match rate; repeatable",
        heading=VERIFICATION,
        minimum=0,
        maximum=1,
        read=one_or_many(float),
    )
    fmr_on: str | None = setting(
        None, help="Apply the target to this group's impostor pairs only", heading=VERIFICATION
    )
    threshold: tuple[float | Literal["published"], ...] = setting(
        (),
        help="Accept from this score on, instead of --fmr; 'published' uses the threshold on the card",
        heading=VERIFICATION,
        read=one_or_many(accepted_score),
    )
    threshold_on: Path | None = setting(
        None,
        help="Manifest of other people for setting thresholds",
        heading=VERIFICATION,
        read=path,
        write=file_name,
    )
    threshold_by: Literal["folds", "split"] | None = setting(
        None,
        help="Evaluate each pair at a threshold set on folds of other people (folds), or set thresholds on held-out subjects (split)",
        heading=VERIFICATION,
        without="folds; split if --split or --identify is given",
    )
    fold_column: str | None = setting(
        None,
        help="Column with the fold of each subject",
        heading=VERIFICATION,
        without="random folds, by --seed",
    )
    split: float = setting(
        0.5,
        help="Proportion of the subjects held out for setting thresholds",
        heading=VERIFICATION,
        minimum=0.05,
        maximum=0.95,
    )
    seed: int = setting(
        0, help="Random seed for folds or split, and for resampled labels", heading=VERIFICATION, minimum=0
    )
    in_sample: bool = setting(
        False,
        help="Set thresholds on the same pairs on which they are evaluated; the tables label the results as in-sample",
        heading=VERIFICATION,
    )
    pairs: Path | None = setting(
        None,
        help="CSV file with columns left,right: compare only these pairs",
        heading=VERIFICATION,
        read=path,
        write=file_name,
    )
    sample_pairs: int | None = setting(
        None,
        help="Compare a sample of this many pairs: all genuine pairs, and a random sample of impostor pairs within each pair of groups",
        heading=VERIFICATION,
        minimum=1,
        maximum=20_000_000,
        without="all pairs",
    )
    genuine_per_subject: int | None = setting(
        None,
        help="Maximum number of genuine pairs per person in the sample",
        heading=VERIFICATION,
        minimum=1,
        maximum=1_000_000,
        without="all",
    )
    exclude_pairs: Path | None = setting(
        None,
        help="CSV file with columns left,right: reviewed pairs to exclude",
        heading=VERIFICATION,
        read=path,
        write=file_name,
    )
    distance: bool = setting(
        False, help="Scores and thresholds are distances: smaller means more similar", heading=VERIFICATION
    )
    format: Literal["auto", "frte"] = setting(
        "auto",
        help="Format of the score file: detected from its first line, or the match log of NIST's FRTE driver",
        heading=VERIFICATION,
    )
    enrolment_log: tuple[Path, ...] = setting(
        (),
        help="Enrolment log for the match log: images, failures and quality of its templates; repeatable",
        heading=VERIFICATION,
        read=one_or_many(Path),
        write=file_names,
    )
    images_are_people: bool = setting(
        False, help="If no column names the people, treat every image as a different person", heading=VERIFICATION
    )
    impostors_only: bool = setting(
        False, help="Accept a set without genuine pairs: FMR is reported, FNMR is not", heading=VERIFICATION
    )
    eer: Literal["midpoint", "fvc"] = setting(
        "midpoint",
        help="Convention for the equal error rate: smallest |FMR - FNMR|, or that of the FVC competitions",
        heading=VERIFICATION,
    )
    bob_rates: bool = setting(
        False, help="Also print FTA, FAR, FRR and HTER as defined by bob.measure", heading=VERIFICATION
    )
    tail_limit: int = setting(
        2_000_000, help="Maximum number of impostor pairs to keep in the list", heading=VERIFICATION, minimum=1
    )

    def __post_init__(self) -> None:
        """Check the values and what they say together."""
        settle(self)
        if self.threshold and self.fmr and self.fmr != default_of(Verify, "fmr"):
            raise SettingError(TARGET_AND_THRESHOLD)
        if self.threshold:
            object.__setattr__(self, "fmr", ())
        if self.in_sample and self.threshold_on is not None:
            raise SettingError("--in-sample and --threshold-on contradict each other; give one of them")
        if self.fold_column is not None and not self.by_folds:
            raise SettingError(
                "--fold-column says how thresholds are set by folds, and they are set otherwise here; leave out --threshold, "
                "--threshold-on, --in-sample, --split and --threshold-by split, or --fold-column"
            )
        if self.threshold_by is not None:
            others = {
                "--threshold": bool(self.threshold),
                "--threshold-on": self.threshold_on is not None,
                "--in-sample": self.in_sample,
                "--split": self.threshold_by == "folds" and self.split != default_of(Verify, "split"),
            }
            for name in (name for name, given in others.items() if given):
                raise SettingError(
                    f"--threshold-by {self.threshold_by} and {name} contradict each other; give one of them"
                )

    @property
    def by_folds(self) -> bool:
        """Whether thresholds are set by folds, as far as these settings say: everybody is evaluated, nobody set aside."""
        if self.threshold_by is not None:
            return self.threshold_by == "folds"
        settled = bool(self.threshold) or self.threshold_on is not None or self.in_sample
        return not settled and self.split == default_of(Verify, "split")

    @property
    def scores(self) -> tuple[float, ...]:
        """The thresholds that are numbers."""
        return tuple(value for value in self.threshold if value != PUBLISHED)

    @property
    def published(self) -> bool:
        """Whether the threshold that the embedder's card publishes is taken."""
        return PUBLISHED in self.threshold


NO_TARGET_OF_SAMPLE = (
    "--sample-pairs compares too few pairs to set a threshold on them; give --threshold (a number, or published), or "
    "--threshold-on with a manifest of other people"
)
TARGET_AND_THRESHOLD = (
    "a target (--fmr) and a threshold (--threshold) cannot both set where a score is accepted; give one of them"
)


@dataclass(frozen=True)
class Identify:
    """Who is in the gallery, who is searched, and how far down a candidate list is read (1:N)."""

    role_column: str | None = setting(
        None,
        help="Column with the values gallery or probe",
        heading=IDENTIFICATION,
        without="determined by --enrol and --non-mates",
    )
    enrol: Literal["first", "last"] = setting(
        "first", help="Which image of each subject is enrolled", heading=IDENTIFICATION
    )
    non_mates: float = setting(
        0.3,
        help="Proportion of the subjects not enrolled in the gallery",
        heading=IDENTIFICATION,
        minimum=0,
        maximum=0.95,
    )
    rank: tuple[int, ...] = setting(
        (1, 10),
        help="Length of the candidate list; repeatable",
        heading=IDENTIFICATION,
        minimum=1,
        maximum=10_000,
        read=in_order,
    )
    fpir: tuple[float, ...] = setting(
        (),
        help="Target false positive identification rate; repeatable",
        heading=IDENTIFICATION,
        minimum=0,
        maximum=1,
        read=one_or_many(float),
    )

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)
        if not self.rank:
            raise SettingError("--rank: name at least one rank; ranks count from 1")


@dataclass(frozen=True)
class Service:
    """What may be sent to a black-box service, and how fast."""

    verify_service: str | None = setting(
        None,
        help="Service that compares two images: a .toml card of task verify, called for the pairs of --pairs or --sample-pairs",
        heading=SERVICE,
        write=model_name,
    )
    search_service: str | None = setting(
        None,
        help="Service that enrols images and answers a probe with a list of candidates: a .toml card of task search",
        heading=SERVICE,
        write=model_name,
    )
    send_images: bool = setting(
        False,
        help="Send whole images to the black-box service named by --classify, --embed or --verify-service",
        heading=SERVICE,
    )
    max_calls: int | None = setting(
        None,
        help="Maximum number of calls to the service, including retries",
        heading=SERVICE,
        minimum=1,
        without="no limit",
        recorded=False,
    )
    calls_per_second: float = setting(
        2.0,
        help="Calls to the service per second, over all workers",
        heading=SERVICE,
        minimum=0.001,
        maximum=1000,
        recorded=False,
    )
    stop_when_decided: bool = setting(
        False,
        help="Ask about people in random order (by --seed), and no more when every gap of misclassification or FNMR is decided",
        heading=SERVICE,
    )
    price_per_call: float | None = setting(
        None,
        help="Price of one call; the total cost is printed before anything is sent",
        heading=SERVICE,
        minimum=0,
        maximum=1_000_000,
        without="no cost printed",
        recorded=False,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)


def on_stderr(text: str) -> None:
    """Show a line to whoever started the program; also in a notebook or a script."""
    print(text, file=sys.stderr, flush=True)


def unseen(done: int, total: int) -> None:
    """Show no progress."""


def unannounced(phase: str) -> None:
    """Announce no phase."""


@dataclass(frozen=True)
class Output:
    """Where a run is written, what is kept, and who is told of it.

    progress : called with the images done and the images in all
    phase    : called with the name of each phase as it begins; facegap.audit.run.phases_of has them all
    notice   : called with what must be seen before the first image: alarms of `facegap doctor`, and where images are sent
    """

    folder: Path | None = setting(
        None, help="Run folder to create", flag="--out", read=path, recorded=False, command_default=Path("run")
    )
    resume: bool = setting(False, help="Continue an interrupted run; repeat the same command", recorded=False)
    keep_embeddings: bool = setting(True, help="Do not write templates to the run folder", flag="--no-embeddings")
    keep_ids: bool = setting(
        True,
        help="Replace the names of images and subjects with salted hashes; the salt is not kept",
        flag="--no-ids",
    )
    progress: Callable[[int, int], None] = setting(unseen, help="", recorded=False, option=False)
    phase: Callable[[str], None] = setting(unannounced, help="", recorded=False, option=False)
    notice: Callable[[str], None] = setting(on_stderr, help="", recorded=False, option=False)

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)


@dataclass(frozen=True)
class AuditSettings:
    """All settings of an audit, apart from the files it reads and the folder it writes.

    stated : names of settings that the caller gave, even those at their default, so that a plan can be held against them
    """

    detect: str = setting(
        "yunet",
        help="Detector: name of a card, a .toml card, or an .onnx file with a card next to it; 'aligned' if images are already "
        "crops; 'none' for a black-box service",
        heading=MODELS,
        write=model_name,
    )
    classify: str | CallableModel | None = setting(
        None, help="Classifier of gender and age, named in the same way", heading=MODELS, write=model_name
    )
    embed: str | CallableModel | None = setting(
        None, help="Embedder, named in the same way", heading=MODELS, write=model_name
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
        """Check the values and what they say together."""
        settle(self)
        if self.faces.points is not None and (self.detect != AuditSettings.detect or "detect" in self.stated):
            raise SettingError(
                f"--points and --detect {self.detect} contradict each other: no detector runs where points are given; leave one "
                "of them out"
            )
        if self.identify is not None and self.verify.threshold_by == "folds":
            raise SettingError(
                "--threshold-by folds and --identify contradict each other: a gallery is searched at thresholds set on people "
                "who are set aside; leave one of them out"
            )
        if self.identify is not None and self.verify.fold_column is not None:
            raise SettingError("--fold-column and --identify contradict each other; leave one of them out")

    @property
    def by_folds(self) -> bool:
        """Whether thresholds are set by folds: the default of 1:1. A search of a gallery (1:N) keeps the split."""
        return self.identify is None and self.verify.by_folds


SECTIONS: Mapping[str, type[Any]] = {  # the settings classes by the name under which AuditSettings holds them
    "models": Models,
    "faces": Faces,
    "groups": Groups,
    "verify": Verify,
    "identify": Identify,
    "service": Service,
    "output": Output,
}


# ---- what the classes know of themselves ----


def leaves(section: type[Any] = AuditSettings) -> Iterator[tuple[str, Field[Any]]]:
    """(section, setting) of every single setting in order; the section of detect, classify, embed and by is empty."""
    for one in fields(section):
        if one.name in SECTIONS:
            yield from ((one.name, inner) for inner in fields(SECTIONS[one.name]))
        else:
            yield "", one


def section_of(kind: type[S], given: S | Mapping[str, Any] | bool | None) -> S:
    """A settings object as a caller gives it: one of its class, its words as a mapping, True or None for the defaults.

    Raises
    ------
    SettingError : a word that it does not have
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
    """The nearest name, or all of them."""
    close = difflib.get_close_matches(str(word), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(names)}"


def settings_from(words: Mapping[str, Any], *, identify: bool = False) -> AuditSettings:
    """Settings from single words, as the command line has them: {"detect": "yunet", "min_face": 20, "fmr": [0.001]}.

    identify : whether a gallery is searched; its settings are read only then

    Raises
    ------
    SettingError : a word that no setting has; values out of bounds
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


# ---- what run.json keeps ----


def recorded(chosen: Any) -> dict[str, Any]:
    """The settings that decide a result, as run.json keeps them: plain values, paths without their folders."""
    kept: dict[str, Any] = {}
    for one in fields(chosen):
        value, known = getattr(chosen, one.name), one.metadata.get(SETTING)
        if is_dataclass(value) and not isinstance(value, CallableModel):
            kept[one.name] = recorded(value)
        elif known is None or known.recorded:
            kept[one.name] = as_recorded(one, value)
    return {name: value for name, value in kept.items() if value != {}}


def as_recorded(one: Field[Any], value: Any) -> Any:
    """One value as JSON will give it back."""
    write = one.metadata[SETTING].write if SETTING in one.metadata else None
    if value is not None and write is not None:
        value = write(value)
    return list(value) if isinstance(value, tuple) else value


def differing(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings that are not at their default, by option: what a command must say to get them."""
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
    """The settings with single words changed, wherever they stand."""
    for section, one in leaves():
        if one.name in words:
            value = {one.name: words.pop(one.name)}
            chosen = replace(chosen, **({section: replace(getattr(chosen, section), **value)} if section else value))
    assert not words, words
    return chosen


assert all(one.default is not MISSING for section in SECTIONS.values() for one in fields(section))
