"""`facegap suite`: several models on several sets of images, in one pass each, and one leaderboard."""
