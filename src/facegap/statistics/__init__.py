"""Rates, intervals, gaps and verdicts: arrays in, arrays out, numpy and scipy only."""
