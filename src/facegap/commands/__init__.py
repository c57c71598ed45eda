"""What is more than one call but no stage of the audit."""
