"""The inner loops compiled by numba; the protocol Kernels documents each, and kernels_numpy.py has the plain version."""

from __future__ import annotations

import numpy as np

from facegap.matching.compiled import compiled, compiled_for_norms
from facegap.matching.kernels import Norms, error_bound
from facegap.matching.kernels_llvm import emit_above, kth_largest, score_listed
from facegap.matching.rows import Float32Array
from facegap.types import AnyArray, FloatArray


@compiled
def bin_of(score, edges, bins_per_unit):  # type: ignore[no-untyped-def]
    last = edges.size - 2
    place = max(0, min(last, np.int64((score - edges[0]) * bins_per_unit)))
    # The quotient may round to a neighbouring bin; the edges themselves decide.
    while place > 0 and score < edges[place]:
        place -= 1
    while place < last and score >= edges[place + 1]:
        place += 1
    return place


@compiled
def is_listed(keys, key):  # type: ignore[no-untyped-def]
    place = np.searchsorted(keys, key)
    return place < keys.size and keys[place] == key


@compiled
def tally(table, i, j, scores, tail_floor, counts, tail):  # type: ignore[no-untyped-def]
    edges = table.edges
    bins_per_unit = (edges.size - 1) / (edges[-1] - edges[0])
    listed = 0
    for k in range(scores.size):
        score = scores[k]
        if score < edges[0] or table.left_subject[i[k]] == table.right_subject[j[k]]:
            continue
        left, right = table.left_index[i[k]], table.right_index[j[k]]
        if table.one_table and left > right:
            left, right = right, left
        if table.excluded.size > 0 and is_listed(table.excluded, left * table.span + right):
            continue
        g, h = table.left_group[i[k]], table.right_group[j[k]]
        counts[min(g, h), max(g, h), bin_of(score, edges, bins_per_unit)] += 1
        if score >= tail_floor:
            tail[listed].left, tail[listed].right, tail[listed].score = left, right, score
            listed += 1
    return listed


@compiled
def tally_rows(table, i, j, scores, edges, of_left, of_right):  # type: ignore[no-untyped-def]
    for k in range(scores.size):
        score = scores[k]
        if score < edges[0] or table.left_subject[i[k]] == table.right_subject[j[k]]:
            continue
        left, right = table.left_index[i[k]], table.right_index[j[k]]
        if table.one_table and left > right:
            left, right = right, left
        if table.excluded.size > 0 and is_listed(table.excluded, left * table.span + right):
            continue
        place = np.searchsorted(edges, score, side="right") - 1
        of_left[i[k], table.right_group[j[k]], place] += 1
        of_right[j[k], table.left_group[i[k]], place] += 1


@compiled
def tally_all(table, i, j, scores, counts):  # type: ignore[no-untyped-def]
    edges = table.edges
    bins_per_unit = (edges.size - 1) / (edges[-1] - edges[0])
    for k in range(scores.size):
        if table.left_subject[i[k]] != table.right_subject[j[k]]:
            g, h = table.left_group[i[k]], table.right_group[j[k]]
            counts[min(g, h), max(g, h), bin_of(scores[k], edges, bins_per_unit)] += 1


@compiled
def histogram(  # type: ignore[no-untyped-def]
    products, margins, table, first_row, first_column, above_diagonal, row, counts, i, j, found
):
    rows, columns = products.shape
    groups, _, bins = counts.shape
    flat = counts.reshape(counts.size)
    scale, lowest = np.float32(bins / (table.edges[-1] - table.edges[0])), np.float32(table.edges[0])
    place, uncertain = np.empty(columns, np.int32), np.empty(columns, np.bool_)
    group = table.right_group[first_column : first_column + columns].astype(np.int32)
    subject = table.right_subject[first_column : first_column + columns]
    base = np.empty(groups, np.int32)
    while row < rows and found + columns <= i.size:
        g, own = table.left_group[first_row + row], table.left_subject[first_row + row]
        for h in range(groups):
            base[h] = (min(g, h) * groups + max(g, h)) * bins
        # Both additions and the product below are rounded to float32, with an error below 2**-21 of a score in [-2, 2].
        margin = np.float32((margins[row] + np.float32(5e-7)) * scale)
        start = max(0, first_row + row + 1 - first_column) if above_diagonal else 0
        for k in range(start, columns):
            position = (products[row, k] - lowest) * scale
            position = max(np.float32(0), min(position, np.float32(bins) - np.float32(0.5)))
            whole = np.int32(position)
            part = position - np.float32(whole)
            uncertain[k] = (part <= margin) | (part >= np.float32(1) - margin) | (subject[k] == own)
            place[k] = base[group[k]] + whole
        for k in range(start, columns):
            flat[place[k]] += np.int64(not uncertain[k])
        for k in range(start, columns):
            if uncertain[k]:
                i[found], j[found] = first_row + row, first_column + k
                found += 1
        row += 1
    return found, row


@compiled
def insert_best(i, j, scores, index, best_scores, best_index):  # type: ignore[no-untyped-def]
    k = best_scores.shape[1]
    for c in range(scores.size):
        row, score, found = i[c], scores[c], index[j[c]]
        place = k
        while place > 0 and (
            score > best_scores[row, place - 1]
            or (score == best_scores[row, place - 1] and found < best_index[row, place - 1])
        ):
            place -= 1
        for later in range(k - 1, place, -1):
            best_scores[row, later], best_index[row, later] = best_scores[row, later - 1], best_index[row, later - 1]
        if place < k:
            best_scores[row, place], best_index[row, place] = score, found


@compiled
def limits(bound, unit, floor, right_unit, out):  # type: ignore[no-untyped-def]
    for row in range(floor.size):
        # One step of slack covers the rounding of the quotient, which is below 2**27.
        steps = np.floor((floor[row] - bound[row]) / (unit[row] * right_unit)) - 1
        out[row] = np.int32(min(max(steps, -(2.0**31)), 2.0**31 - 1))


@compiled
def raise_floors(i, p, first_row, unit, bound, lower, floor, upper):  # type: ignore[no-untyped-def]
    k = lower.shape[1]
    for c in range(p.size):
        row = i[c] - first_row
        value = p[c] * unit[row]
        upper[c] = value + bound[row]
        value -= bound[row]
        if value <= lower[row, k - 1]:
            continue
        place = k - 1
        while place > 0 and value > lower[row, place - 1]:
            lower[row, place] = lower[row, place - 1]
            place -= 1
        lower[row, place] = value
        floor[row] = max(floor[row], lower[row, k - 1])


@compiled
def largest_of_rows(bits, out):  # type: ignore[no-untyped-def]
    for row in range(bits.shape[0]):
        largest = np.int32(0)
        for k in range(bits.shape[1]):
            largest = max(largest, bits[row, k] & np.int32(0x7FFFFFFF))
        out[row] = largest


@compiled_for_norms
def quantise_left(values, codes, zero_point, most, unit, residual, quantised, row_norm):  # type: ignore[no-untyped-def]
    depth = values.shape[1]
    steps, bits, whole = np.empty(depth, np.float64), values.view(np.int32), np.empty(1, np.int32)
    for row in range(values.shape[0]):
        line = values[row]
        # Without the sign, floats have the same order as their bits, and LLVM vectorises the maximum of integers only.
        largest = np.int32(0)
        for k in range(depth):
            largest = max(largest, bits[row, k] & np.int32(0x7FFFFFFF))
        whole[0] = largest
        step = np.float64(whole.view(np.float32)[0]) / most
        inverse = 1.0 / step
        left_over, rounded, exact = 0.0, 0.0, 0.0
        for k in range(depth):
            value = np.float64(line[k])
            code = np.rint(value * inverse)
            steps[k] = code
            left_over += (value - code * step) * (value - code * step)
            rounded += (code * step) * (code * step)
            exact += value * value
        for k in range(depth):
            codes[row, k] = np.uint8(np.int32(steps[k]) + np.int32(zero_point))
        unit[row], residual[row] = step, np.sqrt(left_over)
        quantised[row], row_norm[row] = np.sqrt(rounded), np.sqrt(exact)


@compiled_for_norms
def worst_norms(values, unit, most):  # type: ignore[no-untyped-def]
    inverse = 1.0 / unit
    worst_left, worst_rounded, worst_exact = 0.0, 0.0, 0.0
    for row in range(values.shape[0]):
        left_over, rounded, exact = 0.0, 0.0, 0.0
        for k in range(values.shape[1]):
            value = np.float64(values[row, k])
            code = min(max(np.rint(value * inverse), -np.float64(most)), np.float64(most))
            left_over += (value - code * unit) * (value - code * unit)
            rounded += (code * unit) * (code * unit)
            exact += value * value
        worst_left, worst_rounded = max(worst_left, left_over), max(worst_rounded, rounded)
        worst_exact = max(worst_exact, exact)
    return np.sqrt(worst_left), np.sqrt(worst_rounded), np.sqrt(worst_exact)


@compiled_for_norms
def codes_of_columns(values, unit, most, codes):  # type: ignore[no-untyped-def]
    inverse = 1.0 / unit
    for k in range(values.shape[1]):
        for row in range(values.shape[0]):
            code = np.rint(np.float64(values[row, k]) * inverse)
            codes[k, row] = np.int8(min(max(code, -np.float64(most)), np.float64(most)))


@compiled_for_norms
def row_norms(values, out):  # type: ignore[no-untyped-def]
    for row in range(values.shape[0]):
        total = 0.0
        for k in range(values.shape[1]):
            total += np.float64(values[row, k]) * np.float64(values[row, k])
        out[row] = np.sqrt(total)


def read_only(array: AnyArray) -> AnyArray:
    """A read-only view, so that memory-mapped and other arrays share one compiled form of each loop."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


class NumbaKernels:
    """The compiled loops with the signatures of the protocol Kernels."""

    def __init__(self) -> None:
        self.emit_above, self.tally, self.tally_rows, self.tally_all = emit_above, tally, tally_rows, tally_all
        self.histogram, self.insert_best, self.raise_floors = histogram, insert_best, raise_floors

    def score_listed(self, left: Float32Array, right: Float32Array, i: AnyArray, j: AnyArray, out: FloatArray) -> None:
        score_listed(read_only(left), read_only(right), read_only(i), read_only(j), out)

    def kth_largest(self, products: AnyArray, k: int) -> AnyArray:
        out = np.empty(len(products), products.dtype)
        kth_largest(products, k, out)
        return out

    def quantise_left(self, values: Float32Array, codes: AnyArray, zero_point: int, most: int) -> Norms:
        norms = np.empty((4, len(values)))
        quantise_left(values, codes, zero_point, most, *norms)
        return Norms(*norms)

    def limits(self, left: Norms, right: Norms, floor: FloatArray) -> AnyArray:
        out = np.empty(len(floor), np.int32)
        limits(error_bound(left, right), left.unit, floor, right.unit, out)
        return out

    def worst_norms(self, values: Float32Array, unit: float, most: int) -> Norms:
        return Norms(unit, *worst_norms(values, unit, most))

    def codes_of_columns(self, values: Float32Array, unit: float, most: int) -> AnyArray:
        codes = np.empty(values.shape[::-1], np.int8)
        codes_of_columns(values, unit, most, codes)
        return codes

    def largest_of_rows(self, values: AnyArray, out: AnyArray) -> None:
        # The bits of a NaN are above those of every number, so that it is propagated as in numpy.
        largest_of_rows(read_only(np.ascontiguousarray(values)).view(np.int32), out.view(np.int32))

    def row_norms(self, values: Float32Array) -> FloatArray:
        out = np.empty(len(values))
        row_norms(values, out)
        return out
