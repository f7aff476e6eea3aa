"""The dialogue of SMTP, from the side of a mail program."""
