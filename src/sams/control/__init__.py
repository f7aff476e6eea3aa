"""Versioned messages between commands, pages and the running service, over Unix sockets."""
