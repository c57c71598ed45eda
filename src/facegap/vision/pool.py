"""Pool templates from several frames: the mean of the frames of each medium, then the normalised mean of the media."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facegap.types import IntArray
from facegap.vision.embed import unit_rows

MOST_FRAMES_AT_ONCE = 8192  # number of frames copied in double precision at once; a single template may have more
POOLING = (
    "mean of the unit-length embeddings of the frames of each medium, then mean over the media, scaled to unit "
    "length; frames within a medium, and media within a template, have equal weights"
)


def pooled(vectors: NDArray[np.float32], templates: IntArray, media: IntArray) -> NDArray[np.float32]:
    """Return one unit-length template per code in `templates`, in the order of the codes.

    Parameters
    ----------
    vectors
        Embeddings of the usable frames, float32 (n, dimension), each of unit length; may be memory-mapped.
    templates
        Code of the template of each frame, int64 (n,).
    media
        Code of the medium of each frame, int64 (n,); a medium belongs to one template.

    Returns
    -------
    numpy.ndarray
        float32 (distinct templates, dimension); a row is NaN if the mean of a template's media is zero.

    Notes
    -----
    This is the rule of the IJB protocols: many frames of one video do not outweigh a single photograph. Sums are in double
    precision and in frame order, and do not depend on the other templates pooled at the same time.

    References
    ----------
    Whitelam et al., IARPA Janus Benchmark-B Face Dataset, CVPRW 2017; InsightFace, recognition/_evaluation_/ijb.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.float32([[1, 0], [0.6, 0.8], [0, 1]])
    >>> pooled(frames, np.array([0, 0, 0]), np.array([0, 0, 1])).round(3).tolist()  # (0.8, 0.4) and (0, 1)
    [[0.496, 0.868]]
    """
    order = np.lexsort((np.arange(len(vectors)), media, templates))
    template, medium = templates[order], media[order]
    starts = np.flatnonzero(np.r_[True, np.diff(template) != 0]) if len(order) else np.empty(0, np.int64)
    ends = np.r_[starts[1:], len(order)]
    out = np.empty((len(starts), vectors.shape[1]), np.float32)
    first = 0
    while first < len(starts):
        last = max(int(np.searchsorted(ends, starts[first] + MOST_FRAMES_AT_ONCE, side="right")), first + 1)
        rows = slice(starts[first], ends[last - 1])
        means = group_means(vectors[order[rows]].astype(np.float64), medium[rows])
        of_media = template[rows][group_starts(medium[rows])]
        out[first:last] = unit_rows(group_means(means, of_media))
        first = last
    return out


def group_starts(codes: IntArray) -> IntArray:
    """Return the start of each run of equal codes, int64 (runs,)."""
    return np.flatnonzero(np.r_[True, np.diff(codes) != 0])


def group_means(rows: NDArray[np.float64], codes: IntArray) -> NDArray[np.float64]:
    """Return the mean of each run of rows with equal codes, float64 (runs, dimension)."""
    starts = group_starts(codes)
    sizes = np.diff(np.r_[starts, len(codes)])
    means: NDArray[np.float64] = np.add.reduceat(rows, starts, axis=0) / sizes[:, None]
    return means
