"""Values in tables: outcomes of images, pairs and predictions, landmarks, covariates."""

from __future__ import annotations

NOT_SENT = "not_sent"  # to a service, whose budget of calls was used up, or in no requested pair
# No model received a picture: the file is missing, cannot be decoded, exceeds a limit of facegap or of a service, or was not
# sent. This is a property of the audit, not of the model, so these images are in no denominator of a rate.
NEVER_SHOWN = ("missing_file", "unreadable", "refused", "decode_timeout", NOT_SENT)
SCORED = "scored"
# Of a pair for comparison by a service; not_shown: one of its images could not be sent.
PAIR_OUTCOMES = (SCORED, "no_face_probe", "no_face_reference", "no_face_somewhere", "no_answer", "not_shown", NOT_SENT)
FACE_OUTCOMES = ("ok", "no_face", "no_points", "many_faces", "too_small", "no_template", *NEVER_SHOWN)
PREDICTION_OUTCOMES = ("right", "wrong", "no_answer", "outside_classes", "unlabelled", "not_shown")
SAMPLE = "sample"  # of a rate over all pairs, from a weighted sample of them
TEMPLATE, MEDIA = "template", "media"  # columns of a manifest whose images are pooled into templates
MEMBERSHIP = (TEMPLATE, MEDIA)
POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")  # left and right as seen in the image
# Of one image, from its pixels and the position of its face; definitions, units and limits: docs/covariates.md.
IMAGE_COVARIATES = (
    *("yaw", "pitch", "roll"),  # degrees, of the head
    "inter_eye_px",  # pixels between the eyes
    "face_share",  # proportion of the image covered by the box
    *(
        "skin_luminance_25",
        "skin_luminance_50",
        "skin_luminance_75",
    ),  # quartiles, 0..255, of cheeks and bridge of the nose
    *("skin_under", "skin_over"),  # proportions of those pixels below 26, above 246
    "cheek_balance",  # 0..1, median luminance of the darker cheek over that of the brighter
    *("background_luminance_25", "background_luminance_50", "background_luminance_75"),  # next to and above the head
    *("background_under", "background_over"),
    "sharpness",  # mean square of the Laplacian over that of the gradient, at a fixed size of the face
)
COVARIATES = (
    *IMAGE_COVARIATES,
    "jpeg_quality",  # 1..100, by the quantisation table of the file
    "template_norm",  # length of the embedder's output before normalisation, in the model's own unit
)

# For these, higher is better, so each can be used as the quality of an image.
MODEL_QUALITY = "model_quality"  # from the model of --quality
QUALITIES = ("inter_eye_px", "face_share", "cheek_balance", "sharpness", "jpeg_quality", "template_norm", "score")
