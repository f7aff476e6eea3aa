"""Files from which mail programs set themselves up: functions of a Site and an address, without any I/O.

None of them knows who is a member: what they answer follows from the configuration and the address as it was given.
"""
