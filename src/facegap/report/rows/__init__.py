"""The contents of reports as values: one frozen row per line of a table, made from a run, without formatting.

Page, terminal, notebook, explore and export format these rows, each with its own list of columns (`report/tables.py`).
"""
