"""Databases: of members, and of what they may send as."""
