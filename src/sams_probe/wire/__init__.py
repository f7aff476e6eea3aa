"""Sockets under deadlines and limits, and what comes out of them."""
