"""`facegap plan`: what a set of people can show."""
