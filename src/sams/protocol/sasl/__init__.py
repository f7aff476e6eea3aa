"""SASL mechanisms (RFC 4422), one file each, without I/O and without accounts."""
