"""LDAP directories: OpenLDAP and its like, and Active Directory."""
