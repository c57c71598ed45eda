"""Age checks: false positives and false negatives, and errors of age at equal ages."""
