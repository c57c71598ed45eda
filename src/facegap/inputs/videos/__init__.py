"""Video files: frames are sampled by time and decoded in a separate process that cannot open files or connections."""
