"""Read files of comparison scores."""
