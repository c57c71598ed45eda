"""Speed relative to other libraries (`facegap bench`)."""
