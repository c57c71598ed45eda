"""A local web page for exploring a run (`facegap explore`)."""
