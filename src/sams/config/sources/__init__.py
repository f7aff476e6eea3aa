"""The sources of accounts, one section for each type: `[[accounts.source]]`.

What all have in common stands in `SourceSection`; what all that ask somebody else have, in `DirectorySection`.
"""

from __future__ import annotations

from sams.config.sources.builtin import BuiltinSource
from sams.config.sources.dovecot import DovecotSource
from sams.config.sources.http import HttpSource
from sams.config.sources.kerberos import KerberosSource
from sams.config.sources.ldap import LdapSource
from sams.config.sources.oauth import OauthSource
from sams.config.sources.pam import PamSource
from sams.config.sources.radius import RadiusSource
from sams.config.sources.section import DirectorySection, LoginForm, SourceSection
from sams.config.sources.sql import SqlSource

__all__ = [
    "AccountSource",
    "BuiltinSource",
    "DirectorySection",
    "DovecotSource",
    "HttpSource",
    "KerberosSource",
    "LdapSource",
    "LoginForm",
    "OauthSource",
    "PamSource",
    "RadiusSource",
    "SourceSection",
    "SqlSource",
]

AccountSource = (
    BuiltinSource
    | LdapSource
    | SqlSource
    | HttpSource
    | DovecotSource
    | RadiusSource
    | PamSource
    | OauthSource
    | KerberosSource
)
