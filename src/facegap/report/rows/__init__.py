"""What a report says of a run, as values: one frozen row per line of a table, made from a run and never from text.

Page, terminal, notebook, explore and export format these rows, each with its own list of columns (`report/tables.py`).
"""
