"""Certificates, read without a library: who, for which names, until when, by whom."""
