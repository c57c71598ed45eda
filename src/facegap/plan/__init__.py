"""What a set of people can show (`facegap plan`)."""
