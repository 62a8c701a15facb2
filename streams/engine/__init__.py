"""The pure engine: no I/O, no clock, no randomness. Commands in, events out, state by events alone."""
