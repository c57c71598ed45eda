"""`facegap demo`: an audit of illustrated people."""
