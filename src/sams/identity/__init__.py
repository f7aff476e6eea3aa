"""Who someone is: accounts, sources of identities, password hashes, remembered passwords, the guard."""
