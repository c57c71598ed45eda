"""The command line: parsing and printing only. Every command calls one function and prints what comes back."""

from facegap.cli import (  # noqa: F401  (each adds its commands to the app)
    annotate,
    audit,
    calibrate,
    closed,
    compare,
    demo,
    doctor,
    explore,
    export,
    gate,
    listing,
    report,
    runs,
    tone,
)
from facegap.cli.app import app, main

__all__ = ["app", "main"]
