"""Issuers of tokens (OAuth 2.0): what they signed, and what they say of the rest."""
