"""Video files: frames sampled by time, decoded in a separate process that can open neither a file nor a connection."""
