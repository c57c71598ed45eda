"""Published conventions that many models share, in the form used in cards."""

from __future__ import annotations

# Left eye, right eye, nose, left and right mouth corner as seen in the image, as proportions of a square crop.
# ArcFace (Deng et al., CVPR 2019), published for a crop of 112 x 112.
ARCFACE_POINTS: tuple[tuple[float, float], ...] = tuple(
    (x / 112, y / 112)
    for x, y in ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
)
# ImageNet mean 0.485 0.456 0.406 and standard deviation 0.229 0.224 0.225 (red, green, blue, values 0 to 1), for pixels 0 to 255.
IMAGENET_MEAN: tuple[float, float, float] = (123.675, 116.28, 103.53)
IMAGENET_SCALE: tuple[float, float, float] = (0.0171247538, 0.0175070028, 0.0174291939)
