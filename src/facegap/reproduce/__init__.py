"""Published tables, reconstructed and audited (`facegap reproduce`)."""
