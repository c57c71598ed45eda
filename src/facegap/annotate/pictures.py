"""The photographs of a manifest for a browser: identified by a random-looking number, decoded and re-encoded.

Neither name nor metadata nor the file itself is sent: the browser only gets the pixels, as PNG.
"""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import cv2

from facegap.inputs.images.decode import Pixels, Unreadable, quiet_decoders, read_picture
from facegap.inputs.manifests.read import Manifest

MOST_SIDE_PX = 1024
KEPT = 8  # encoded pictures of up to about 3 MB; the page checks each one before the browser requests it

Crop = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Encoded:
    """A picture as PNG, with its size in pixels."""

    png: bytes
    width: int
    height: int


class Pictures:
    """The photographs of one manifest."""

    def __init__(self, manifest: Manifest, secret: bytes, crop: Crop | None = None) -> None:
        self.images: tuple[str, ...] = tuple(manifest.frame["image"])
        self._paths = {image: str(path) for image, path in zip(self.images, manifest.frame["path"], strict=True)}
        self._folder, self._secret = manifest.folder, secret
        self._image_of = {self.number(image): image for image in self.images}
        self._crop = crop
        self._kept: OrderedDict[str, Encoded | Unreadable] = OrderedDict()
        self._lock = threading.Lock()

    def number(self, image: str) -> str:
        """The identifier of an image in the browser: unchanged after a restart, and independent of its name."""
        return hmac.digest(self._secret, f"image:{image}".encode(), "sha256").hex()[:24]

    def image_of(self, number: str) -> str | None:
        """The image with this identifier; None if it is not in the manifest."""
        return self._image_of.get(number)

    def encoded(self, image: str) -> Encoded | Unreadable:
        """The picture as PNG with at most MOST_SIDE_PX per side, or why there is none. Pictures are decoded one at a time."""
        with self._lock:
            if image not in self._kept:
                self._kept[image] = self._encode(self._paths[image])
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(image)
            return self._kept[image]

    def _encode(self, path: str) -> Encoded | Unreadable:
        """Decode a file, if it is still at the checked path, and encode its pixels."""
        with quiet_decoders():
            picture = read_picture(path, root=self._folder)
        if isinstance(picture, Unreadable):
            return picture
        pixels = picture.pixels if self._crop is None else self._crop(picture.pixels)
        shown = shrunk(pixels)
        fine, data = cv2.imencode(".png", shown, [cv2.IMWRITE_PNG_COMPRESSION, 3])
        assert fine
        return Encoded(data.tobytes(), shown.shape[1], shown.shape[0])


def shrunk(pixels: Pixels) -> Pixels:
    """The picture with its longer side at most MOST_SIDE_PX; smaller ones are unchanged."""
    height, width = pixels.shape[:2]
    scale = MOST_SIDE_PX / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype("uint8")
