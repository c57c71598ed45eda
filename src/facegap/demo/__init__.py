"""An audit of illustrated people (`facegap demo`)."""
