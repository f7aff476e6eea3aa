"""The system's accounts by PAM: the service asks a helper, which loads PAM's modules in a child for each check."""
