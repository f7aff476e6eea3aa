"""LDAP as a client speaks it: octets in, messages out, and back. No I/O, no knowledge of members."""
