"""Kerberos realms: tickets (GSSAPI), and passwords that a KDC checks."""
