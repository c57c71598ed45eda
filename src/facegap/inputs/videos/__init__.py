"""Video files: frames sampled by time, decoded in a process of its own that can open neither a file nor a connection."""
