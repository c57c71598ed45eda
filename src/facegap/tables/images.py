"""Tables with one row per image, template or frame: manifest, faces, predictions, tone, labels, annotations."""

from __future__ import annotations

from facegap.tables.outcomes import COVARIATES, FACE_OUTCOMES, MODEL_QUALITY, NEVER_SHOWN, POINTS, PREDICTION_OUTCOMES
from facegap.tables.schema import FLOAT, INT, NULLABLE_INT, TEXT, Column, Schema
from facegap.types import ANY

MANIFEST = Schema(
    "MANIFEST",  # manifest.parquet: one record per row of the manifest that is included
    {
        "row": INT,  # 0-based position among the records of the source file
        "line": INT,  # line of the file where the record starts; records with quoted newlines span several
        "image": TEXT,  # as in the file
        "path": TEXT,  # resolved, posix, relative to the manifest's folder
        "subject": TEXT,
    },
    labels_after="subject",
    reserved=(ANY,),
)

FACES = Schema(
    "FACES",  # faces.parquet: the outcome of each image, and the position of its face
    {
        "row": INT,
        "image": TEXT,
        "outcome": Column("str", choices=FACE_OUTCOMES),
        "detail": TEXT,
        "sha256": Column("str", required=False),  # of the image file, empty if it was not read here
        "width": NULLABLE_INT,  # pixels of the decoded image
        "height": NULLABLE_INT,
        "colour": Column("str", choices=("grey", "colour", "")),
        "profile": Column("str", required=False),  # name of the colour profile in the file, empty for none
        "faces": INT,  # number found by the detector; 1 if the face was given
        "policy": TEXT,
        "score": FLOAT,
        **dict.fromkeys(("x1", "y1", "x2", "y2"), FLOAT),  # pixels
        **{f"{point}_{axis}": FLOAT for point in POINTS for axis in "xy"},
        "embedding_row": INT,  # row of embeddings.npy, -1 for none
        **dict.fromkeys(COVARIATES, Column("float", required=False)),  # NaN if not applicable
        "given_quality": Column("float", required=False),  # from the file of --quality, higher is better; NaN for none
        MODEL_QUALITY: Column(
            "float", required=False
        ),  # from the model of --quality, higher is better; NaN without a crop
    },
)

TEMPLATES = Schema(
    "TEMPLATES",  # one record per template pooled from several images, in the order of their first rows
    {
        "template": TEXT,
        "subject": TEXT,
        "outcome": Column("str", choices=FACE_OUTCOMES),  # ok if at least one frame was used
        "detail": TEXT,
        "frames_given": INT,  # image files, and sampled frames of videos
        "frames_used": INT,
        "media_given": INT,
        "media_used": INT,
        "shown_by": INT,  # position in manifest.parquet of the image that represents the template in reports
        "embedding_row": INT,  # row of embeddings.npy, -1 for none
    },
)

FRAMES = Schema(
    "FRAMES",  # one record per sampled frame of a video, in the order of the manifest and of time
    {
        "row": INT,  # position of the video in manifest.parquet
        "frame": INT,  # 0.. over the sampled frames
        "time_s": FLOAT,  # since the first frame of the video
        "outcome": Column("str", choices=FACE_OUTCOMES),
        "detail": TEXT,
        "faces": INT,
        "score": FLOAT,
        **dict.fromkeys(("x1", "y1", "x2", "y2"), FLOAT),  # pixels
    },
)

PREDICTIONS = Schema(
    "PREDICTIONS",  # predictions.parquet: the prediction of the classifier for each image, and its label
    {
        "row": INT,
        "image": TEXT,
        "outcome": Column("str", choices=PREDICTION_OUTCOMES),
        "label": TEXT,
        "prediction": TEXT,
        "probability": Column("float", required=False),  # of the predicted class
        "age": Column("float", required=False),  # years, as predicted; midpoint of a range
        "age_low": Column("float", required=False),  # lower end of a predicted range; NaN for a single age
        "detail": Column("str", required=False),
    },
    # For each output other than gender and age: NAME_answer, NAME_label, NAME_outcome and NAME_probability.
    labels_after="detail",
    numbers="_probability",
)

TONE_OUTCOMES = ("measured", "grey", "no_skin", "no_face", "no_points", "many_faces", "too_small", *NEVER_SHOWN)
MEASURED_TONES = ("lighter", "darker", "unknown", "")

TONE = Schema(
    "TONE",  # tone.parquet of `facegap tone`: the skin tone measured in each image
    {
        "row": INT,
        "line": INT,  # as in MANIFEST
        "image": TEXT,
        "subject": TEXT,
        "outcome": Column("str", choices=TONE_OUTCOMES),
        "detail": TEXT,
        **dict.fromkeys(("l_star", "a_star", "b_star"), FLOAT),  # CIELAB, D65, of the skin as photographed
        "ita": Column("float", required=False),  # degrees, of that colour: an ITA that includes the effect of the light
        "measured_ita": FLOAT,  # degrees, corrected for the estimated light; NaN unless measured
        "ita_sd": FLOAT,  # degrees: standard deviation of the measurement, from all sources
        "hue": FLOAT,  # degrees, as photographed
        "patch_spread": FLOAT,  # degrees: standard deviation of the ITA between patches of skin
        "usable_fraction": FLOAT,  # proportion of candidate pixels that are skin
        "exposure": TEXT,  # flags separated by spaces, empty for none
        "measured_monk": NULLABLE_INT,  # 1..10
        "monk_distance": FLOAT,  # CIEDE2000 to that colour
        "measured_tone": Column("str", choices=MEASURED_TONES),  # empty unless measured
        "darker_probability": FLOAT,
        "photographs": INT,  # on which the values are based: 1 unless pooled, 0 unless measured
    },
)
