"""The part of a card that only black-box services have (backend http): the request and the location of the results."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from facegap.inputs.cards.categories import Category, ClassName, require_names
from facegap.inputs.cards.types import Text, https_or_loopback
from facegap.inputs.strict_toml import Table

JsonPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=200)]


SUBJECT = "{subject}"  # placeholder in the url or a field of [enrol] for the name of an enrolled image
Side = Literal["probe", "reference", "unknown"]

# Hosts that require a signature over the content of each request, which a fixed header cannot provide.
SIGNED_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".tencentcloudapi.com", ".aliyuncs.com", ".volcengineapi.com")
SIGNED_PREFIXES = ("AWS4-HMAC-SHA256", "TC3-HMAC-SHA256", "ACS3-HMAC-SHA256", "HMAC-SHA256")
SIGNED = (
    "this service requires each request to be signed (AWS Signature Version 4 or similar), which a key in a header "
    "cannot do. Two workarounds: a proxy on this machine that signs them, with url = 'http://127.0.0.1:PORT/...'; or "
    "compare the images with the vendor's software and audit the scores with facegap audit-scores"
)


class RequestSpec(Table):
    """How images are sent to a black-box service (backend http); https, or http to this machine only.

    encoding   : multipart (the image is the file `field`), json-base64 (the string `field` of an object), or raw (the body)
    reference_field : field of the second image, if two are compared; `field` is the probe
    data_uri   : json-base64 with the prefix `data:image/jpeg;base64,`
    fields     : further fields of every request, such as options of the service; none with raw
    key_env    : environment variable with the key, which is sent in the header key_header after key_prefix
    timeout_s  : for one call, from its start to the last byte of the response
    largest_image_bytes : larger files are not sent, and are not trials; None: no known limit
    """

    url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(https_or_loopback)]
    method: Literal["POST", "PUT"] = "POST"
    encoding: Literal["multipart", "json-base64", "raw"] = "multipart"
    field: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] = "image"
    reference_field: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = None
    data_uri: bool = False
    fields: dict[Text, Text] = Field(default_factory=dict)
    key_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")] | None = None
    key_header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")] = "Authorization"
    key_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{0,30} ?$")] = ""
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    largest_image_bytes: Annotated[int, Field(ge=1)] | None = None

    @property
    def names_subject(self) -> bool:
        """Return whether the request names the subject of the image."""
        return any(SUBJECT in text for text in (self.url, *self.fields.values()))

    def of_subject(self, subject: str) -> RequestSpec:
        """Insert a subject into the request. subject : letters, digits and - only"""
        fields = {name: text.replace(SUBJECT, subject) for name, text in self.fields.items()}
        return self.model_copy(update={"url": self.url.replace(SUBJECT, subject), "fields": fields})

    @model_validator(mode="after")
    def _fields_have_a_place(self) -> Self:
        if self.fields and self.encoding == "raw":
            raise ValueError("a raw body cannot contain fields; use encoding = 'multipart' or 'json-base64'")
        if self.field in self.fields:
            raise ValueError(f"fields names {self.field!r}, under which the image itself is sent")
        if self.reference_field is not None:
            if self.encoding == "raw":
                raise ValueError("a raw body cannot contain two images; use encoding = 'multipart' or 'json-base64'")
            if self.reference_field in (self.field, *self.fields):
                raise ValueError(
                    f"reference_field is {self.reference_field!r}, which is already used for something else"
                )
        if self.data_uri and self.encoding != "json-base64":
            raise ValueError("data_uri belongs to encoding = 'json-base64'")
        return self

    @model_validator(mode="after")
    def _no_signature_is_needed(self) -> Self:
        host = urlsplit(self.url).hostname or ""
        if host.endswith(SIGNED_HOSTS) or self.key_prefix.strip().startswith(SIGNED_PREFIXES):
            raise ValueError(SIGNED)
        return self


class NoFaceRule(Table):
    """A response that means that the service found no face; all given conditions must hold.

    status : HTTP status
    text   : text at `path`, regardless of case; without a path, anywhere in the response
    empty  : path with no value or an empty list
    side   : which of two images has no face
    """

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    path: JsonPath | None = None
    text: Text | None = None
    empty: JsonPath | None = None
    side: Side = "unknown"

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if self.path is not None and self.text is None:
            raise ValueError("path gives the place of a text; give in 'text' what it contains")
        if self.text is None and self.empty is None and (self.status is None or self.status < 300):
            raise ValueError("a rule needs text, or empty, or a status of 300 or above")
        return self


class CategoryAnswer(Category):
    """A categorical output of a service: [answer.outputs.NAME].

    at    : dotted path of the service's word
    words : the service's word -> class; if absent, words are the classes themselves, ignoring case and spacing
    """

    at: JsonPath
    words: dict[Text, ClassName] = Field(default_factory=dict)
    confidence: JsonPath | None = None
    confidence_scale: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _words_map_to_classes(self) -> Self:
        foreign = sorted(set(self.words.values()) - set(self.classes))
        if foreign:
            raise ValueError(f"words maps to {foreign[0]!r}, which is not one of classes ({', '.join(self.classes)})")
        return self


class AnswerSpec(Table):
    """Locations of the results in the service's JSON: dotted paths such as `faces.0.gender`.

    classes          : the service's word -> facegap's class; if absent, words for female and male are recognised
    confidence       : confidence of the gender; multiplied by `confidence_scale` it is 0 to 1
    embedding        : a list of `dimension` numbers
    score            : similarity of two faces; a number outside `score_range` is not a score. Tables contain it times `score_scale`
    falling          : the score is a distance: smaller is more alike
    decision         : true or false, for a service that returns a decision without a score
    candidates       : a list of at most `most_candidates`; `subject` of each is the name of an enrolled image, and `score` its
                       similarity. None scores below `lowest_score`, if the service omits such candidates
    no_face          : responses that mean that the service found no face
    """

    gender: JsonPath | None = None
    classes: dict[Text, Text] = Field(default_factory=dict)
    confidence: JsonPath | None = None
    confidence_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    age: JsonPath | None = None
    embedding: JsonPath | None = None
    dimension: Annotated[int, Field(ge=2, le=65_536)] | None = None
    score: JsonPath | None = None
    score_range: Annotated[tuple[float, float], Field(strict=False)] | None = None
    score_scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    falling: bool = False
    decision: JsonPath | None = None
    candidates: JsonPath | None = None
    subject: JsonPath | None = None
    most_candidates: Annotated[int, Field(ge=1, le=10_000)] | None = None
    lowest_score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    outputs: dict[str, CategoryAnswer] = Field(default_factory=dict)
    no_face: Annotated[tuple[NoFaceRule, ...], Field(strict=False, max_length=20)] = ()

    @model_validator(mode="after")
    def _score_has_a_scale(self) -> Self:
        if self.score is None and (self.score_range is not None or self.falling or self.score_scale != 1):
            raise ValueError("score_range, score_scale and falling belong to a score; give its place in 'score'")
        if self.score is not None:
            low, high = self.score_range or (0.0, 0.0)
            if not low < high:
                raise ValueError(
                    "score_range is missing: the lowest and the highest score that the service can give, such as [0, 1]"
                )
        of_list = (self.subject, self.most_candidates)
        if (self.candidates is None and (*of_list, self.lowest_score) != (None, None, None)) or (
            self.candidates is not None and None in (*of_list, self.score)
        ):
            raise ValueError(
                "candidates, subject, score and most_candidates must be given together: the list, and the parts of "
                "each entry"
            )
        if (self.embedding is None) != (self.dimension is None):
            raise ValueError(
                "embedding and dimension must be given together: the place of the numbers, and how many there are"
            )
        return self

    @model_validator(mode="after")
    def _classes_are_distinct(self) -> Self:
        if self.classes and len(set(self.classes.values())) < 2:
            raise ValueError("classes maps to one class only; give the service's word for each class")
        if (self.classes or self.confidence) and self.gender is None:
            raise ValueError("classes and confidence belong to a gender; give its place in 'gender'")
        require_names(self.outputs)
        return self
