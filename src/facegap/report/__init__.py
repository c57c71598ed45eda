"""Tables and pages that a person reads."""
