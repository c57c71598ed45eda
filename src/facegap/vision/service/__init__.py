"""Black-box services over HTTP."""
