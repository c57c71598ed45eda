"""Settings of images and of the faces in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facegap.audit.settings.setting import AGES, FACES, setting, settle
from facegap.audit.settings.values import age_bands_text, column_names, file_name, path
from facegap.errors import SettingError

NO_DETECT = "none"
ALIGNED = "aligned"  # instead of a detector: every image is already a crop
POINTS = "points"  # instead of a detector: a file gives the faces


@dataclass(frozen=True)
class Faces:
    """Which images are opened and which face of an image is used."""

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
        """Check each value and their combinations."""
        settle(self)
        if self.age_limit is None:
            for name, value in (("--challenge", self.challenge), ("--age-fpr-target", self.age_fpr_target)):
                if value is not None:
                    raise SettingError(
                        f"{name} {value:g}: has an effect only with --age-limit; add it, such as --age-limit 18"
                    )
        elif self.challenge is not None and self.challenge < self.age_limit:
            raise SettingError(
                f"--challenge {self.challenge:g} is below --age-limit {self.age_limit:g}: anyone estimated in "
                f"between would pass under age; give at least the limit"
            )
        if self.age_from and len(self.age_from) != 2:
            raise SettingError(
                f"--age-from {','.join(self.age_from)}: give two columns, the year of birth and the year of the "
                f"photograph"
            )
