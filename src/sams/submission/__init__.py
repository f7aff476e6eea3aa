"""Receiving: a connection's bytes, its TLS, the engine's events and what the house does about each."""
