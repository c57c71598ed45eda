"""Age checks: who passes under age, who must show a document, and the errors of age at equal ages."""
