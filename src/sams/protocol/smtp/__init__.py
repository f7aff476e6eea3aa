"""SMTP: grammar, the server engine of a submission server, the client engine of a relay."""
