"""From image bytes to faces, embeddings and predictions; one row per image, its outcome always set."""
