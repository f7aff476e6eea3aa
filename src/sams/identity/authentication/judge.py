"""From what a source said to the verdict: whether an account may be used, from there, and in that name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sams.core.address import AddressError, parse_mailbox
from sams.core.text import visible
from sams.identity import replies
from sams.identity.account_sources import Checked, Finding, Source
from sams.identity.app_passwords.lookup import AppPassword
from sams.identity.authentication.proof import Proof
from sams.identity.authentication.refusals import Refusals, why_wrong
from sams.identity.authentication.request import SignInRequest
from sams.identity.chain import UNTOLD
from sams.identity.grants import Grants
from sams.identity.guard.interface import Guard
from sams.identity.interface import Account, Decision, Identity, SignInVerdict
from sams.identity.logins import LoginForms, UnpreparableError, map_login
from sams.identity.origin import covering
from sams.identity.patterns import ANY, covers, narrowed


@dataclass(frozen=True, slots=True)
class Judge:
    """What every way of signing in ends with."""

    guard: Guard
    grants: Grants
    forms: LoginForms
    refusals: Refusals

    def answer(self, sign_in: SignInRequest, checked: Checked, generation: int, proof: Proof) -> Decision:
        """To what can be guessed. generation: of the account, for what is wrong. proof: if it is right."""
        if checked.finding is Finding.RIGHT and checked.account is not None:
            return self.judge(sign_in, checked.account, Proof(checked.detail) if checked.detail else proof)
        if checked.finding is Finding.UNAVAILABLE:
            explanation = f"source unavailable: {checked.detail}"
            return self.refusals.refused(sign_in, replies.UNAVAILABLE, explanation, "unavailable")
        word = self.refusals.word(sign_in, checked.finding)
        detail = f"{word}: {checked.detail}" if checked.detail else word
        why = why_wrong(sign_in, checked.finding)
        return self.refusals.failed(sign_in, generation, sign_in.problem or detail, why)

    def answer_proven(self, sign_in: SignInRequest, checked: Checked, proof: Proof) -> Decision:
        """To what cannot be guessed: who has it and is nobody here is told so, and counted for nothing."""
        if checked.finding in {Finding.RIGHT, Finding.UNAVAILABLE}:
            return self.answer(sign_in, checked, UNTOLD, proof)
        return self.refusals.wrong(sign_in, f"{proof.text}: {checked.detail or checked.finding.value}")

    def judge(
        self,
        sign_in: SignInRequest,
        account: Account,
        proof: Proof,
        app_password: AppPassword | None = None,
    ) -> Decision:
        """The proof is right: what remains is whether the account may be used, from there, and in that name."""
        self.guard.succeeded(sign_in.attempt)
        refused = self._unusable(sign_in, account, proof)
        if refused is not None:
            return refused
        source = None if self.grants.is_empty else sign_in.chain.named(account.identity.source)
        if source is None:
            return self._accept(sign_in, account.identity, proof, app_password)
        granted = self.grants.known(account.identity, sign_in.login, source)
        if granted is None:
            asking = self._ask(sign_in, account.identity, source, proof, app_password)
            return self.refusals.later(sign_in, asking)
        return self._accept(sign_in, granted, proof, app_password)

    def _unusable(self, sign_in: SignInRequest, account: Account, proof: Proof) -> SignInVerdict | None:
        if account.suspended is not None:
            reply = replies.suspended(account.suspended)
            return self.refusals.refused(sign_in, reply, "account suspended", "suspended")
        if sign_in.devices_only and not account.is_device:
            explanation = "no device, at a listener for devices"
            return self.refusals.refused(sign_in, replies.DEVICES_ONLY, explanation)
        if sign_in.people_only and account.is_device:
            return self.refusals.refused(sign_in, replies.PEOPLE_ONLY, "a device, where only people sign in")
        if account.networks and not covering(account.networks)(sign_in.attempt.address):
            explanation = f"{proof.text}, from a network that is not its"
            return self.refusals.refused(sign_in, replies.WRONG_NETWORK, explanation)
        return None

    async def _ask(
        self,
        sign_in: SignInRequest,
        identity: Identity,
        source: Source,
        proof: Proof,
        app_password: AppPassword | None,
    ) -> Decision:
        granted = await self.grants.ask(identity, sign_in.login, source)
        return self._accept(sign_in, granted, proof, app_password)

    def _accept(
        self,
        sign_in: SignInRequest,
        identity: Identity,
        proof: Proof,
        app_password: AppPassword | None,
    ) -> SignInVerdict:
        """All that the member may send as is known by now; an app password leaves some of it."""
        missing = identity.grant.missing if identity.grant is not None else ""
        if missing:
            proof = Proof(f"{proof.text}; some addresses are not known: {missing}")
        if app_password is not None:
            identity = _with_app_password(identity, app_password)
        if sign_in.authzid and not self._may_act_as(identity, sign_in.authzid):
            shown = visible(sign_in.authzid, 100)
            explanation = f"{proof.text}, but may not act as {shown}"
            if missing:
                return self.refusals.refused(sign_in, replies.UNAVAILABLE, explanation, "unavailable")
            return self.refusals.refused(sign_in, replies.WRONG, explanation)
        return SignInVerdict(identity, replies.ACCEPTED, proof.text, is_ordinary=proof.is_ordinary)

    def _may_act_as(self, identity: Identity, authzid: str) -> bool:
        """RFC 4616 section 2: the login itself, or an address that the member may send from or for."""
        try:
            login = self.forms.parse(map_login(authzid))
            if identity.login in {login.typed, login.bare}:
                return True
            mailbox = parse_mailbox(authzid)
        except (UnpreparableError, AddressError):
            return False
        return covers(identity.addresses, mailbox) or covers(identity.may_send_as, mailbox)


def _with_app_password(identity: Identity, app_password: AppPassword) -> Identity:
    """What the app password leaves of what the account may do."""
    identity = replace(identity, app_password=app_password.id)
    if not app_password.senders:
        return identity
    own = narrowed(identity.addresses, app_password.senders)
    others = narrowed(identity.may_send_as, app_password.senders)
    default = identity.default_address
    if not covers(own, default):
        default = next((parse_mailbox(one) for one in own if not one.startswith(ANY)), default)
    return replace(identity, addresses=own, may_send_as=others, default_address=default)
