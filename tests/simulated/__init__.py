"""A cluster without server, disk or clock, for tests: the real stages over twins of the log and the tables."""
