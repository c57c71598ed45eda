"""Process image bytes into faces, embeddings and predictions: one row per image, always with an outcome."""
