"""Rows to tables: which cell a person belongs to, what is counted there, and the rates and gaps that follow."""
