"""Models in separate processes: restrictions, transfer of batches, and errors when a process ends."""
