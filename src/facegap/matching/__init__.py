"""Exact comparison of all pairs: score_pairs, search, count_scores.

A score is one float64 number, defined once (kernels.py); faster products are used only to rule pairs out (filters.py).
"""

from facegap.matching.choice import FilterChoice, choose_filter
from facegap.matching.counts import Probes, count_scores
from facegap.matching.pairs import score_pairs
from facegap.matching.range_sample import with_sampled_range
from facegap.matching.search import search

__all__ = ["FilterChoice", "Probes", "choose_filter", "count_scores", "score_pairs", "search", "with_sampled_range"]
