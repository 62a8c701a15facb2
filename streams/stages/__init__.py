"""Thin stages: read envelopes, let the engine decide, send what follows, make it durable."""
