"""Real processes, real kills: a system of its own under load, faults in turn, and the judge of tests/history."""
