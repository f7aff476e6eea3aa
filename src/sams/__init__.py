"""SAMS: a message submission server (RFC 6409)."""
