"""Several models on several data sets, in one pass each, with one leaderboard (`facegap suite`)."""
