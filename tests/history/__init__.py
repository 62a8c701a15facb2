"""The history checker: what everyone saw of a run, and which promises that breaks."""
