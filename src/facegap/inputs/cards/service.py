"""The part of a card that only black-box services have (backend http): how an image is sent, and where the answer stands."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from facegap.inputs.cards.types import Text, https_or_loopback
from facegap.inputs.strict_toml import Table

JsonPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=200)]


class RequestSpec(Table):
    """How one image is sent to a black-box service (backend http); https, or http to this machine only.

    encoding   : multipart (the image is the file `field`), json-base64 (the text `field` of an object), or raw (the body)
    fields     : further fields of every request, such as options of the service; none with raw
    key_env    : the environment variable that holds the key; key_prefix stands before it in the header key_header
    timeout_s  : for one call, from its start to the last byte of its answer
    """

    url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(https_or_loopback)]
    method: Literal["POST", "PUT"] = "POST"
    encoding: Literal["multipart", "json-base64", "raw"] = "multipart"
    field: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] = "image"
    fields: dict[Text, Text] = Field(default_factory=dict)
    key_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")] | None = None
    key_header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")] = "Authorization"
    key_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{0,30} ?$")] = ""
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0

    @model_validator(mode="after")
    def _fields_have_a_place(self) -> Self:
        if self.fields and self.encoding == "raw":
            raise ValueError("fields have no place in a raw body; use encoding = 'multipart' or 'json-base64'")
        if self.field in self.fields:
            raise ValueError(f"fields names {self.field!r}, under which the image itself is sent")
        return self


class AnswerSpec(Table):
    """Where the service's JSON holds what is asked for: dotted paths such as `faces.0.gender`.

    classes          : the service's word -> facegap's class; without, words for female and male are understood
    confidence       : how sure the service is of the gender; times `confidence_scale` it is 0 to 1
    """

    gender: JsonPath | None = None
    classes: dict[Text, Text] = Field(default_factory=dict)
    confidence: JsonPath | None = None
    confidence_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    age: JsonPath | None = None
    embedding: JsonPath | None = None

    @model_validator(mode="after")
    def _classes_can_be_told_apart(self) -> Self:
        if self.classes and len(set(self.classes.values())) < 2:
            raise ValueError("classes leads to one class only; name the service's word for each class")
        if (self.classes or self.confidence) and self.gender is None:
            raise ValueError("classes and confidence belong to a gender; say in 'gender' where it stands")
        return self
