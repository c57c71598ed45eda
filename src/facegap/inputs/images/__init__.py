"""Image files as pixels, bounded."""
