"""The schema of a model card: what a TOML file must state before facegap runs the model it describes.

This module contains only shapes and rules; `read.py` reads files, finds cards, and adds file names to errors. Rules for one table
are in that table's class, and rules that involve several tables are in `rules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from facegap.inputs.cards.categories import Category, ClassNames, require_names
from facegap.inputs.cards.decoders import decoders
from facegap.inputs.cards.rules import check_backend, check_input, check_task, check_threshold
from facegap.inputs.cards.service import AnswerSpec, RequestSpec
from facegap.inputs.cards.types import Text, https
from facegap.inputs.manifests.labels import TWO_GENDERS, age_interval
from facegap.inputs.strict_toml import Table

Task = Literal["detect", "embed", "classify", "quality", "verify", "search"]
TrainingStatus = Literal["public", "research-only", "withdrawn", "proprietary", "unknown"]
MAX_WEIGHTS_BYTES = 2**31 - 1  # the limit of protobuf
THE_ONLY_ONE = "*"  # in place of an input or output name: the graph's only one


def _as_list(value: Any) -> Any:
    """Convert a single number to a list, so that `mean = 127.5` is valid for a greyscale model."""
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


def _no_number(value: Any) -> Any:
    """Reject numbers, because a Literal would accept 1 as true."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("Input should be true, false or 'unknown'")
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
# A file name without path separators or a leading dot, so it can never leave its folder.
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.onnx$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]
GraphName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=8, le=8192)]
# strict=False accepts a TOML list as a tuple; its members remain strict (no text as number, no true as 1).
Numbers = Annotated[tuple[float, ...], BeforeValidator(_as_list), Field(strict=False)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Size = Annotated[tuple[Side, Side], Field(strict=False)]
Point = Annotated[tuple[float, float], Field(strict=False)]
Columns = Annotated[tuple[Annotated[int, Field(ge=0, le=100_000)], ...], Field(strict=False, min_length=1)]
Interpolation = Literal["bilinear", "bicubic"]
CropRule = Literal["square", "shifted"]
LabelKind = Literal["softmax", "logits", "probability_of", "logit", "percent", "index"]


class TrainingData(Table):
    """The training data of the weights, and whether its use is restricted or it has been withdrawn."""

    description: Text
    status: TrainingStatus


class InputSpec(Table):
    """The image input of the graph, and how pixels 0..255 are converted to its values.

    size              : width, height; for a dynamic detector the largest allowed
    mean, scale       : per channel in the order of `colour`; value = (pixel - mean) * scale
    dynamic           : height and width are free in the graph (detectors only)
    enlargement_limit : limit on the enlargement of an image by a detector's letterbox; 1 never enlarges
    """

    name: GraphName
    layout: Literal["NCHW", "NHWC"]
    colour: Literal["BGR", "RGB", "GREY"]
    size: Size
    mean: Numbers
    scale: Numbers
    dtype: Literal["float32", "float16", "uint8"]
    dynamic: bool = False
    enlargement_limit: Annotated[float, Field(gt=0, le=16)] = 1.0

    @model_validator(mode="after")
    def _one_number_per_channel(self) -> Self:
        channels = 1 if self.colour == "GREY" else 3
        for key, numbers in (("mean", self.mean), ("scale", self.scale)):
            if len(numbers) != channels:
                raise ValueError(f"{key} has {len(numbers)} numbers; colour {self.colour} needs {channels}")
        if 0 in self.scale:
            raise ValueError("scale contains 0, which would erase a channel")
        if self.dtype == "uint8" and (set(self.mean) != {0} or set(self.scale) != {1}):
            raise ValueError("dtype uint8 takes pixels as they are: mean must be 0 and scale 1")
        return self


def _known_decoder(name: str) -> str:
    """Check that a decoder of this name exists in facegap or a plugin."""
    if name not in decoders():
        raise ValueError(f"Input should be one of {', '.join(map(repr, decoders()))}")
    return name


class DetectorSpec(Table):
    """How a detector's outputs are converted to boxes, scores and, if `points`, five points per face."""

    decoder: Annotated[str, AfterValidator(_known_decoder)]
    resize: Literal["letterbox", "stretch"]
    score_threshold: Share
    nms_iou: Share
    strides: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(strict=False)] = ()
    points: bool

    @model_validator(mode="after")
    def _decoder_requirements(self) -> Self:
        decoder = decoders()[self.decoder]
        if self.points and not decoder.gives_points:
            raise ValueError(f"points must be false: {self.decoder} gives boxes only")
        if decoder.needs_strides and not self.strides:
            raise ValueError(f"strides are missing; decoder {self.decoder} needs them, usually [8, 16, 32]")
        return self


class AlignmentSpec(Table):
    """Target positions of the five points (eyes, nose, mouth corners, left to right in the image) in the crop, in pixels."""

    template: Annotated[tuple[Point, Point, Point, Point, Point], Field(strict=False)]
    interpolation: Interpolation


class CropSpec(Table):
    """The area around the detector's box that is cropped for the model.

    rule   : square   on the longer side of the box, with `margin` times that side added on each side, black outside the image
             shifted  the box enlarged by `factor` with its aspect ratio, shifted into the image, then resized to the model's
                      size without keeping the aspect ratio. An image that cannot give 90% of the factor has no crop
    """

    rule: CropRule = "square"
    margin: Annotated[float, Field(ge=0, le=2)] = 0.0
    factor: Annotated[float, Field(ge=1, le=10)] = 1.0
    interpolation: Interpolation

    @model_validator(mode="after")
    def _key_of_the_rule(self) -> Self:
        needed, foreign = ("factor", "margin") if self.rule == "shifted" else ("margin", "factor")
        if needed not in self.model_fields_set:
            raise ValueError(f"'{needed}' is missing; rule = '{self.rule}' needs it")
        if getattr(self, foreign) != CropSpec.model_fields[foreign].default:
            raise ValueError(f"'{foreign}' does not belong to rule = '{self.rule}'")
        return self


class LabelOutput(Table):
    """A graph output that gives one of `classes` for each face.

    kind    : softmax    probabilities, one per class, which add up to 1
              logits     one number per class, before a softmax
              probability_of  one value in 0..1, the probability of classes[0]; classes[1] has the rest
              logit      one number, whose logistic function is the probability of classes[0]
              percent    as softmax or, for a single value, as probability_of, times 100
              index      the class index, 0 for classes[0], without a probability
    columns : columns of the output's last axis with the values, in the order of `classes`; absent: all
    """

    output: GraphName
    kind: LabelKind
    classes: Annotated[tuple[Text, ...], Field(strict=False, min_length=2, max_length=1000)]
    columns: Columns | None = None

    @model_validator(mode="after")
    def _columns_match_classes(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes lists a class twice")
        if self.kind in ("probability_of", "logit") and len(self.classes) != 2:
            raise ValueError(f"kind {self.kind} needs two classes, not {len(self.classes)}")
        _require_columns(self.columns, self.widths, f"kind {self.kind} with {len(self.classes)} classes")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the possible numbers of values per face."""
        if self.kind in ("probability_of", "logit", "index"):
            return (1,)
        one_value = (1,) if self.kind == "percent" and len(self.classes) == 2 else ()
        return (*one_value, len(self.classes))


class AgeOutput(Table):
    """A graph output that gives the apparent age of each face.

    kind    : years        one value; years = value * scale + offset
              bins         one value per bin; the age is the middle of the bin with the largest
              expectation  one value per bin; the age is the mean of the bins' middles, weighted by their probabilities;
                           without `bins`, value k represents k * scale + offset years
    values  : for an expectation: softmax, logits or percent, as the kinds of [outputs.gender]
    """

    output: GraphName
    kind: Literal["years", "bins", "expectation"]
    scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    offset: Annotated[float, Field(ge=-1000, le=1000)] = 0.0
    bins: Annotated[tuple[Text, ...], Field(strict=False, max_length=200)] = ()
    values: Literal["softmax", "logits", "percent"] = "softmax"
    columns: Columns | None = None

    @model_validator(mode="after")
    def _bins_are_ages(self) -> Self:
        scaled = (self.scale, self.offset) != (1.0, 0.0)
        if self.kind == "years" and self.bins:
            raise ValueError("bins belongs to kind = 'bins' or 'expectation'; kind 'years' is one number")
        if self.kind == "bins" and (len(self.bins) < 2 or scaled):
            raise ValueError("kind bins needs a list 'bins' of at least two and no 'scale' or 'offset'")
        if self.kind == "expectation" and self.bins and (len(self.bins) < 2 or scaled):
            raise ValueError(
                "kind expectation needs a list 'bins' of at least two, or no 'bins' and years = k * scale + offset"
            )
        if self.kind != "expectation" and self.values != "softmax":
            raise ValueError("values belongs to kind = 'expectation'")
        for text in self.bins:
            if not re.fullmatch(r"\d{1,3}(-\d{1,3}|\+)?", text) or age_interval(text) is None:
                raise ValueError(f"bins: '{text}' is not like '20-29', '70+' or '7'")
        if self.kind == "expectation" and not self.bins:
            if self.columns is not None and len(set(self.columns)) < max(2, len(self.columns)):
                raise ValueError(f"columns {list(self.columns)}: kind expectation needs two or more different columns")
        else:
            _require_columns(self.columns, (len(self.bins) or 1,), f"kind {self.kind}")
        return self


def _require_columns(columns: tuple[int, ...] | None, widths: tuple[int, ...], what: str) -> None:
    """Raise ValueError unless `columns`, if given, are distinct and their number is in `widths`."""
    if columns is not None and (len(columns) not in widths or len(set(columns)) != len(columns)):
        needed = " or ".join(map(str, widths))
        raise ValueError(f"columns {list(columns)}: {what} needs {needed} different columns")


class EmbeddingOutput(Table):
    """The graph output that contains the embedding, which facegap normalises to unit length."""

    output: GraphName
    dimension: Annotated[int, Field(ge=2, le=65_536)]


class QualityOutput(Table):
    """The graph output with one quality value per face; higher is better for recognition."""

    output: GraphName


class CategoryOutput(LabelOutput, Category):
    """A graph output that gives one of `classes`, as [outputs.NAME], with the keys of gender and of `Category`."""

    classes: ClassNames


class Outputs(Table):
    """The graph outputs to read; others are ignored. Any [outputs.NAME] other than the four below is a category."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, CategoryOutput] = Field(init=False)

    gender: LabelOutput | None = None
    age: AgeOutput | None = None
    embedding: EmbeddingOutput | None = None
    quality: QualityOutput | None = None

    @model_validator(mode="after")
    def _names_of_categories(self) -> Self:
        require_names(self.categories)
        return self

    @property
    def categories(self) -> dict[str, CategoryOutput]:
        """Return the outputs other than gender, age, embedding and quality, in order."""
        return self.model_extra or {}


class Calibration(Table):
    """The images used to calibrate an 8-bit model.

    images_sha256 : of the sha256 of each image file in the order of use, one hexadecimal line each
    images        : number of images
    groups        : number of images of each group, if groups were named
    """

    manifest_sha256: Sha256
    images_sha256: Sha256
    images: Annotated[int, Field(ge=1)]
    groups: Annotated[dict[Text, Annotated[int, Field(ge=0)]], Field(default_factory=dict)]


class VariantSpec(Table):
    """The origin of a model in lower precision; calibration is for int8 only."""

    parent: Name
    parent_sha256: Sha256
    precision: Literal["fp16", "int8"]
    method: Text
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _calibrated_where_it_must_be(self) -> Self:
        if (self.calibration is not None) != (self.precision == "int8"):
            said = (
                "is missing; int8 requires calibration ranges"
                if self.precision == "int8"
                else "belongs to precision = 'int8'"
            )
            raise ValueError(f"calibration {said}")
        return self


class ModelCard(Table):
    """One model: what it is, the source and licence of its weights, and exactly how it is run.

    Tables that a task does not use are None: `detector` is set if task is detect, `alignment` if it is embed, `crop` if it is
    classify, one of these two if it is quality; `file`, `sha256` and `input` if backend is onnx; `request` and `answer` if it is
    http; `enrol`, how an image is added to the gallery, if task is search.
    """

    name: Name
    task: Task
    backend: Literal["onnx", "http"]
    licence: Text
    commercial_use: Annotated[Literal[True, False, "unknown"], BeforeValidator(_no_number)]
    verified: bool
    citation: Text
    known_limits: Texts
    training_data: TrainingData
    file: FileName | None = None
    source: Annotated[str, StringConstraints(max_length=2000), AfterValidator(https)] | None = None
    obtain: Text | None = None
    sha256: Sha256 | None = None
    size_bytes: Annotated[int, Field(ge=1, le=MAX_WEIGHTS_BYTES)] | None = None
    published_threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    input: InputSpec | None = None
    detector: DetectorSpec | None = None
    alignment: AlignmentSpec | None = None
    crop: CropSpec | None = None
    outputs: Outputs = Outputs()
    request: RequestSpec | None = None
    enrol: RequestSpec | None = None
    answer: AnswerSpec | None = None
    variant: VariantSpec | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        check_backend(self)
        if self.backend == "onnx":
            check_task(self)
            check_input(self)
        if self.published_threshold is not None:
            check_threshold(self)
        return self

    @property
    def gender_classes(self) -> tuple[str, ...]:
        """Return the gender classes of the model, in its order; empty if it does not predict gender."""
        if self.answer is not None and self.answer.gender is not None:
            return tuple(dict.fromkeys(self.answer.classes.values())) or TWO_GENDERS
        return self.outputs.gender.classes if self.outputs.gender else ()

    @property
    def categories(self) -> Mapping[str, Category]:
        """Return the outputs other than gender and age, by name."""
        return self.answer.outputs if self.answer is not None else self.outputs.categories

    @property
    def says_age(self) -> bool:
        """Return whether the model predicts age."""
        return bool(self.answer.age if self.answer is not None else self.outputs.age)
