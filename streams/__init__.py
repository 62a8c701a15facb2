"""What moves: the engine, its stages and tables, the workers and the HTTP edge."""
