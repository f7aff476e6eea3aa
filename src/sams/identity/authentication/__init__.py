"""Signing in: one path for every login, known or not, from a claim to its verdict (`authenticator`)."""
