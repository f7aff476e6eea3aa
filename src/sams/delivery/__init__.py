"""Sending: which messages when, over which connections, and what becomes of their recipients."""
