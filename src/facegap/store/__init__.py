"""The run folder: the results of an audit."""
