"""Derivation of tables from rows: cells of groups, counts, rates and gaps."""
