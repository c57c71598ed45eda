"""The run folder: what an audit leaves behind."""
