"""What the site is built from besides its pages: links, toctrees, and the generated reference. `conf.py` calls it."""
