"""Files of comparison scores."""
