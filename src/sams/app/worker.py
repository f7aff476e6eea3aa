"""One worker's object graph: made, started, changed by a reload, and taken down again."""

from __future__ import annotations

import asyncio

from sams.activity.alarms import Alarms, ways
from sams.activity.events import Alarmed, GuardLocked, ServiceChanged, ServiceEvent
from sams.activity.recorder import Recorder
from sams.app import parts, settings
from sams.app.app_password_sweep import AppPasswordSweep
from sams.app.certificates import CertificateWatch
from sams.app.commands import Commands
from sams.app.control import Asked, AskForReload
from sams.app.doors import Doors
from sams.app.guard_watch import GuardKeeper, alarm_text
from sams.app.hops import Hops
from sams.app.inherited import Inherited, check_changeable
from sams.app.mail import ServiceMail
from sams.app.sharing import SharingWatch
from sams.app.sign_ins import SignIns
from sams.app.sources import login_forms
from sams.app.storage import Storage
from sams.app.storage_watch import StorageWatch, hooks
from sams.config.model import Config
from sams.control.messages import RouteDown
from sams.core.address import parse_mailbox
from sams.core.ids import IdMaker, new_reference
from sams.core.turns import Share
from sams.delivery.routes import RouteTable
from sams.delivery.scheduler import Scheduler
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.guard.interface import LockBegun
from sams.identity.interface import Identity
from sams.policy.senders import SenderPolicy
from sams.protocol.sasl.registry import all_mechanisms
from sams.service.material import Material
from sams.service.queue_view import ShardQueue, routes_down
from sams.spool.interface import Search, Spool, Work
from sams.submission.composition import Composer
from sams.submission.reception import House, Reception
from sams.submission.services import Services
from sams.submission.sign_in import DECIDED_AT_ONCE

LOOK_EVERY = 1.0
"""Seconds between two looks at what has to be looked at regularly."""
ADOPT_EVERY = 30
"""Of so many looks one is for shards without an owner as well."""
_HOURS_OF_A_DAY = 24
_ALARM_GRACE = 5.0
_LEAST_DRAIN = 1.0
"""Seconds for attempts under way, however long the sessions took to end."""


class WorkerGraph:
    """All parts of one worker; `service.worker.Parts` says how it lives. Made inside the running loop.

    number: the worker's, from 0. The first one also answers for the service as a whole.
    ask_for_reload: has somebody's wish for a reload carried out.
    """

    def __init__(self, inherited: Inherited, number: int, ask_for_reload: AskForReload) -> None:
        self._inherited = inherited
        self._number = number
        self._ask_for_reload = ask_for_reload
        self._loop = asyncio.get_running_loop()
        self._clock = inherited.clock
        self._mechanisms = all_mechanisms()
        self._beats = 0
        self._is_hurried = False
        self._timer: asyncio.TimerHandle | None = None
        self._make(inherited.material)

    # --- made

    def _make(self, material: Material) -> None:
        """In this order: each part is handed those before it."""
        config = material.config
        self._routes: RouteTable = settings.route_table(config)
        self._metrics = self._inherited.memory.metrics.slot(self._number)
        self._make_storage(config)
        self._make_activity(config)
        self._make_identity()
        self._make_delivery(config)
        self._quota = parts.quota(self._inherited)
        self._make_watches(config)
        courtesy = self._inherited.memory.courtesy
        self._reception = Reception(self._loop, self._house(material), self._bug, courtesy)
        self._doors = Doors(
            self._inherited,
            self._number,
            mechanisms=self._mechanisms,
            sign_ins=self._sign_ins,
            reception=self._reception,
        )
        self._commands = self._make_commands()

    def _make_commands(self) -> Commands:
        asked = Asked(
            activity=self._activity,
            queue=self._queue,
            reception=self._reception,
            sign_ins=self._sign_ins,
            storage=self._storage,
            storage_watch=self._storage_watch,
            routes_down=self._routes_down,
            problems=self._sharing.problems,
            reload=self._ask_for_reload,
        )
        return Commands(self._inherited, self._number, asked)

    def _make_storage(self, config: Config) -> None:
        data_dir = config.server.data_dir
        self._storage = Storage(
            data_dir,
            self._number,
            self._inherited.workers,
            clock=self._clock,
            settings=settings.spool_settings(config, self._inherited.memory.courtesy),
            hooks=hooks(self._loop, self._metrics, self._tell_activity),
        )
        self._queue = ShardQueue(
            lambda: self._storage.spools, self._clock, self._queue_changed, self._routes_down
        )
        self._storage_watch = StorageWatch(self._storage, self._metrics, self._queue.depth, data_dir)

    def _make_activity(self, config: Config) -> None:
        self._journal = parts.journal(self._inherited, self._storage.primary.shard, self._journal_trouble)
        self._alarms = self._make_alarms(config)
        self._activity = Recorder(
            clock=self._clock,
            journal=self._journal,
            log=self._inherited.log,
            facts=self._inherited.facts,
            metrics=self._metrics,
            on_alarm=self._pass_on,
            later=self._loop.call_later,
        )

    def _make_identity(self) -> None:
        self._sign_ins = SignIns(self._inherited, self._number, self._guard_locked, self._tell_activity)
        self._sweep = AppPasswordSweep(
            AppPasswordStore(self._sign_ins.accounts.file, self._clock),
            self._sign_ins.known,
            sources=lambda: self._sign_ins.sources,
            forms=lambda: login_forms(self._inherited.material.config),
            clock=self._clock,
            tell=self._tell_activity,
            log=self._inherited.log,
        )

    def _make_delivery(self, config: Config) -> None:
        self._hops = Hops(self._clock)
        self._scheduler = Scheduler(
            clock=self._clock,
            policy=settings.retry_policy(config),
            reporter=parts.reporter(config, self._clock, self._stored_route_of),
            tell=self._activity.tell,
            faulted=self._faulted,
        )
        self._mail = ServiceMail(
            name=config.server.name,
            author=settings.postmaster(config),
            clock=self._clock,
            spool=self._storage.primary,
            route_of=self._route_of,
            submit=self._submit,
        )

    def _make_watches(self, config: Config) -> None:
        self._certificates = CertificateWatch(
            config.tls.expiry_warnings, self._clock, lambda text: self._alarm("certificate", text)
        )
        self._sharing = SharingWatch(self._inherited.log)
        self._guard_keeper = GuardKeeper(
            self._inherited.memory.guard, config.server.data_dir, self._clock, self._inherited.log
        )

    def _make_alarms(self, config: Config) -> Alarms:
        return Alarms(
            service=config.server.name,
            interval=config.alarm.interval,
            ways=ways(config.alarm, self._send_alarm),
            clock=self._clock,
            log=self._inherited.log,
        )

    def _house(self, material: Material) -> House:
        config = material.config
        senders = SenderPolicy(config.senders)
        services = Services(
            name=config.server.name,
            authenticator=self._sign_ins.authenticator,
            sign_ins=Share(self._loop, DECIDED_AT_ONCE),
            mechanisms=self._mechanisms,
            admission=parts.admission(self._inherited, self._number),
            senders=senders,
            quota=self._quota,
            spool=self._storage.primary,
            route_of=self._route_of,
            submit=self._submit,
            room_for=self._scheduler.room_for,
            activity=self._activity,
            log=self._inherited.log,
            clock=self._clock,
            session_ids=IdMaker(self._clock, self._number),
            header_limits=settings.header_limits(config),
            mime_limits=settings.mime_limits(config),
            composer=Composer(config.server.name, senders, config.trace),
            reference=new_reference,
            notice=self._send_notice,
            alarm=self._alarm,
            note_use=self._sign_ins.uses.note,
        )
        return House(services, settings.time_limits(config))

    # --- started and stopped

    async def start(self) -> None:
        """Deliver what waits, then listen."""
        self._journal.start()
        self._scheduler.set_routes(self._routes, self._hops.use(self._hops.prepare(self._inherited.material)))
        for spool in (*self._storage.spools, *self._storage.adopt()):
            self._use_spool(spool)
        self._scheduler.start()
        await self._commands.open()
        await self._reception.listen(self._doors.with_sockets())
        self._activity.tell(ServiceChanged("started", f"worker {self._number}"))
        self._beat()

    async def stop(self, grace: float) -> None:
        """Finish what is under way, within `grace` seconds altogether.

        Who waits for a commit when they are over hears of it still: it is awaited in any case.
        """
        began = self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
        self._activity.tell(ServiceChanged("stopping", f"worker {self._number}"))
        await self._reception.close(0.0 if self._is_hurried else grace)
        await self._alarms.finish(0.0 if self._is_hurried else _ALARM_GRACE)
        left = max(_LEAST_DRAIN, grace - (self._loop.time() - began))
        await self._scheduler.drain(0.0 if self._is_hurried else left)
        await self._commands.close()
        await self._storage_watch.close()
        await self._storage.close()
        self._reception.cut()
        await self._sweep.close()
        await self._sign_ins.close()
        if self._number == 0:
            await self._guard_keeper.close()
        self._hops.close()
        self._activity.tell(ServiceChanged("stopped", f"worker {self._number}"))
        await asyncio.to_thread(self._journal.close)

    def hurry(self) -> None:
        """The grace is over, also where `stop` has not begun."""
        self._is_hurried = True
        self._reception.hurry()
        self._scheduler.hurry()

    def _use_spool(self, spool: Spool) -> None:
        since = int(self._clock.now()) // 3_600 - _HOURS_OF_A_DAY + 1
        try:
            uses = [(use.login, use.hour, use.recipients) for use in spool.usage(since)]
        except Exception as error:  # noqa: BLE001 - whatever cannot be read of it, its mail goes on
            self._inherited.log.error("what accounts have used is not known", why=str(error))
            uses = []
        self._quota.load(spool.shard, uses)
        self._scheduler.adopt(spool)

    # --- reloaded

    def reload(self, material: Material) -> None:
        """Use new settings for new sessions and new attempts, and new certificates from now on.

        All that can be wrong is found before anything changes.
        """
        before = self._inherited.material.config
        check_changeable(before, material.config)
        roles = self._commands.roles(material.config)
        hops = self._hops.prepare(material)
        deciding = self._sign_ins.prepare(material)
        self._inherited.renew(material)
        if material.config.alarm != before.alarm:
            self._alarms = self._make_alarms(material.config)
        self._commands.replace(roles)
        self._sign_ins.renew(material, deciding)
        self._routes = settings.route_table(material.config)
        self._scheduler.set_routes(self._routes, self._hops.use(hops))
        self._reception.house = self._house(material)
        self._certificates.look_anew()
        self._doors.renew(material)
        self._activity.tell(ServiceChanged("reloaded", f"worker {self._number}"))

    # --- looked at once a second

    def _beat(self) -> None:
        self._timer = self._loop.call_later(LOOK_EVERY, self._beat)
        self._beats += 1
        self._activity.tick()
        self._alarms.tick()
        self._reception.revoke(self._sign_ins.authenticator.changed_logins())
        sessions = self._reception.sessions
        signed_in = sum([1 for session in sessions if session.identity is not None])
        self._inherited.memory.board.note_sessions(self._number, len(sessions), signed_in)
        self._reception.note_pressure()
        if self._number == 0:
            self._certificates.look(self._inherited.material.hosts)
            self._sharing.look(self._reception.house.services.admission.shared_addresses)
            self._guard_keeper.beat()
            self._sweep.tick()
        self._storage_watch.beat()
        self._note_what_is_down()
        self._sign_ins.tick()
        self._doors.note_keys()
        if self._beats % ADOPT_EVERY == 0:
            for spool in self._storage.adopt():
                self._use_spool(spool)

    def _note_what_is_down(self) -> None:
        down = self._scheduler.down()
        self._inherited.memory.routes.note(self._number, [name in down for name in self._routes.names])
        out = self._sign_ins.down()
        self._inherited.memory.sources.note(
            self._number, [source.name in out for source in self._sign_ins.sources]
        )

    # --- asked by commands

    def _queue_changed(self, what: str, search: Search) -> None:
        """The scheduler lets go of what it has in hand, or looks at what became due."""
        if what not in {"hold", "delete"}:
            self._scheduler.wake()
        elif search.ids is not None:
            self._scheduler.forget(search.ids)
        else:
            self._scheduler.reread()

    def _routes_down(self) -> dict[str, RouteDown]:
        return routes_down(self._scheduler.status(), self._clock.now())

    # --- told

    def _submit(self, works: tuple[Work, ...]) -> None:
        """What was accepted goes to delivery, in memory still."""
        self._scheduler.submit(works, self._storage.primary)

    def _route_of(self, domain: str) -> str | None:
        return self._routes.route_of(domain)

    def _stored_route_of(self, domain: str) -> str | None:
        return self._routes.stored_route_of(domain)

    def _tell_activity(self, event: ServiceEvent) -> None:
        self._activity.tell(event)

    def _alarm(self, kind: str, text: str, login: str = "") -> None:
        self._activity.tell(Alarmed(kind, text, login))

    def _guard_locked(self, lock: LockBegun) -> None:
        """Tell of a lock; people are told of those that concern more than one login at one address."""
        event = GuardLocked(lock.level, lock.login, lock.place, lock.seconds, lock.guesses)
        self._activity.tell(event)
        text = alarm_text(event)
        if text:
            self._alarm("guard", text, lock.login)

    def _pass_on(self, event: Alarmed) -> None:
        """To whoever is told of alarms now: a reload may change that."""
        self._alarms.alarm(event)

    def _send_alarm(self, address: str, subject: str, text: str) -> bool:
        return self._mail.send(parse_mailbox(address), subject, text)

    def _send_notice(self, identity: Identity, text: str) -> None:
        self._mail.send(identity.default_address, "Your mail account and its limits", text + "\n")

    def _journal_trouble(self, why: str) -> None:
        self._loop.call_soon_threadsafe(
            self._alarm, "journal", f"the activity journal cannot be written: {why}"
        )

    def _bug(self, error: Exception) -> None:
        self._inherited.log.error("bug", ref=new_reference(), exc_info=error)

    def _faulted(self, reference: str, error: BaseException) -> None:
        self._inherited.log.error("delivery failed in an unexpected way", ref=reference, exc_info=error)
