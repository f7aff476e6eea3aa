"""The pages of all mail programs, for sites of every kind."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable

import msgspec
import pytest
from starlette.applications import Starlette

from sams.config.offered import MailServer
from sams.web.programs.program import Automatic, Kind, Program
from sams.web.programs.table import PROGRAMS, by_slug, for_system
from sams.web.rendering import TEMPLATES
from sams.web.site import Brand, NamedLink, Site
from sams.web.visitor import System
from tests.web.client import Answer, Client
from tests.web.markup import Markup, markup
from tests.web.rig import HOST, SITE, pages

IMPLICIT = MailServer("smtp", HOST, 465, "implicit")
STARTTLS = MailServer("smtp", HOST, 587, "starttls")
IMAP = MailServer("imap", "imap.example.ac.uk", 993, "implicit")
_EVIL = "<script>alert(1)</script>\"'><b onmouseover=x>&amp;"
"""What a careless template would make elements, attributes and entities of."""


def _named(user_name: str, *servers: MailServer) -> tuple[MailServer, ...]:
    return tuple(
        msgspec.convert({**msgspec.to_builtins(one), "user_name": user_name}, MailServer) for one in servers
    )


SITES: dict[str, dict[str, object]] = {
    "usual": {},
    "starttls alone": {"outgoing": (STARTTLS,)},
    "implicit alone": {"outgoing": (IMPLICIT,)},
    "odd ports": {
        "outgoing": (
            MailServer("smtp", HOST, 4465, "implicit"),
            MailServer("smtp", HOST, 2525, "starttls"),
        ),
        "incoming": (MailServer("imap", "imap.example.ac.uk", 10_143, "starttls"),),
    },
    "one odd port": {"outgoing": (MailServer("smtp", HOST, 2525, "starttls"),)},
    "no incoming": {"incoming": ()},
    "pop3": {"incoming": (MailServer("pop3", "pop.example.ac.uk", 995, "implicit"),)},
    "local part": {
        "user_name": "local-part",
        "outgoing": _named("local-part", IMPLICIT, STARTTLS),
        "incoming": _named("local-part", IMAP),
    },
    "login": {
        "user_name": "login",
        "outgoing": _named("login", IMPLICIT, STARTTLS),
        "incoming": _named("login", IMAP),
    },
    "login, no incoming": {
        "user_name": "login",
        "outgoing": _named("login", STARTTLS),
        "incoming": (),
    },
    "two user names": {
        "user_name": "login",
        "outgoing": _named("login", IMPLICIT),
        "incoming": _named("address", IMAP),
    },
    "nothing of the organisation": {"brand": Brand("example.ac.uk", "example.ac.uk")},
    "plain http": {"url": f"http://{HOST}"},
}
FOR_PEOPLE = [one for one in PROGRAMS if one.kind in {Kind.DESKTOP, Kind.PHONE}]
SLUGS = [one.slug for one in PROGRAMS]
WITHDRAWN = {"mulberry", "outlook-express"}
"""Programs that cannot send through the service any more: their pages show no settings."""
LANGUAGES = SITE.languages


@functools.cache
def _application(name: str) -> Starlette:
    return pages(None, **SITES[name])


def _site(name: str) -> Site:
    return msgspec.structs.replace(SITE, **SITES[name])


@functools.cache
def _answer(name: str, slug: str, language: str = "en") -> Answer:
    """A page, asked for from a network of its own, as limits count by that."""
    visitor = Client(_application(name), address=f"198.51.100.{SLUGS.index(slug) + 1}")
    return visitor.get(f"/programs/{slug}?lang={language}")


@functools.cache
def _page(name: str, slug: str) -> Markup:
    return markup(_answer(name, slug).text)


class TestEveryProgram:
    def test_has_a_template_and_every_template_a_program(self) -> None:
        templates = {path.stem for path in (TEMPLATES / "programs").glob("*.html")}
        assert sorted(templates) == sorted(SLUGS)

    def test_has_an_address_of_its_own(self) -> None:
        assert len(set(SLUGS)) == len(SLUGS)
        assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in SLUGS)
        assert by_slug("no-such-program") is None

    @pytest.mark.parametrize("slug", SLUGS)
    def test_has_a_page_in_every_language_for_every_site(self, slug: str) -> None:
        for name, language in itertools.product(SITES, LANGUAGES):
            answer = _answer(name, slug, language)
            assert answer.status == 200
            (html,) = markup(answer.text).all("html")
            assert html.attributes["lang"] == language

    @pytest.mark.parametrize("slug", [slug for slug in SLUGS if slug not in WITHDRAWN])
    def test_shows_the_sites_own_server_and_a_port_of_it(self, slug: str) -> None:
        for name in SITES:
            text = _page(name, slug).text
            assert HOST in text
            assert any(_has_number(text, server.port) for server in _site(name).outgoing), name

    @pytest.mark.parametrize("slug", sorted(WITHDRAWN))
    def test_shows_no_settings_where_the_program_cannot_use_them(self, slug: str) -> None:
        for name in SITES:
            page = _page(name, slug)
            assert page.all("table") == []
            assert HOST not in page.all("main")[0].text

    @pytest.mark.parametrize("slug", [one.slug for one in FOR_PEOPLE])
    def test_shows_where_mail_is_read(self, slug: str) -> None:
        for name in ("usual", "odd ports", "pop3", "two user names"):
            text, (inbox,) = _page(name, slug).text, _site(name).incoming
            assert inbox.host in text
            assert _has_number(text, inbox.port)

    @pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.slug)
    def test_names_no_port_that_the_site_has_not(self, program: Program) -> None:
        """What is typed, of all; every word, where nothing is told of the usual ports' history."""
        page = _page("odd ports", program.slug)
        typed = " ".join(one.words for one in [*page.of_class("input"), *page.all("code")])
        text = page.text if program in FOR_PEOPLE else typed
        assert [port for port in (143, 465, 587, 993, 995) if _has_number(text, port)] == []

    @pytest.mark.parametrize("slug", SLUGS)
    def test_leaves_no_trace_of_a_template_or_of_a_missing_value(self, slug: str) -> None:
        for name in SITES:
            text, page = _answer(name, slug).text, _page(name, slug)
            assert [mark for mark in ("{{", "{%", "%(", "Undefined") if mark in text] == []
            values = [*page.of_class("input"), *page.all("td", "code", "pre")]
            assert [one.words for one in values if one.words in {"", "None", "()"}] == []


def _has_number(text: str, number: int) -> bool:
    return re.search(rf"(?<![\d.]){number}(?!\d)", text) is not None


class TestWhatIsTyped:
    @pytest.mark.parametrize("slug", [one.slug for one in FOR_PEOPLE])
    def test_is_the_user_name_of_the_site(self, slug: str) -> None:
        for name, wanted in (("usual", "alice@example.ac.uk"), ("local part", "alice"), ("login", "alice")):
            assert wanted in [one.words for one in _page(name, slug).of_class("input")]

    @pytest.mark.parametrize("slug", [one.slug for one in FOR_PEOPLE if one.slug != "gmail-web"])
    def test_is_told_apart_where_the_two_servers_want_different_names(self, slug: str) -> None:
        told = "There are two user names."
        assert told in _page("two user names", slug).text
        assert told not in _page("usual", slug).text

    @pytest.mark.parametrize("slug", [one.slug for one in FOR_PEOPLE])
    def test_changes_with_the_kind_of_tls(self, slug: str) -> None:
        implicit, starttls = (_page(name, slug) for name in ("implicit alone", "starttls alone"))
        assert _outgoing_table(implicit)["Security"] == "SSL/TLS"
        assert _outgoing_table(starttls)["Security"] == "STARTTLS"
        assert _has_number(implicit.text, 465)
        assert _has_number(starttls.text, 587)

    @pytest.mark.parametrize(
        ("slug", "implicit", "starttls"),
        [
            ("outlook-classic", "SSL/TLS", "STARTTLS"),
            ("samsung-email", "SSL", "TLS"),
            ("evolution", "TLS on a dedicated port", "STARTTLS after connecting"),
            ("em-client", "Use SSL/TLS on special port (legacy)", "Force usage of SSL/TLS"),
            ("the-bat", "Secure to dedicated port (TLS)", "Secure to regular port (STARTTLS)"),
            ("claws-mail", "Use TLS", "Use STARTTLS command to start encrypted session"),
        ],
    )
    def test_is_the_programs_own_word_for_the_kind_of_tls(
        self, slug: str, implicit: str, starttls: str
    ) -> None:
        for name, here, other in (
            ("implicit alone", implicit, starttls),
            ("starttls alone", starttls, implicit),
        ):
            incoming = {"incoming": _with_security(name)}
            application = pages(None, **{**SITES[name], **incoming})
            page = markup(Client(application).get(f"/programs/{slug}?lang=en").text)
            menus = {one.words for one in page.of_class("menu")}
            assert here in menus
            assert other not in menus


def _with_security(name: str) -> tuple[MailServer, ...]:
    """An incoming server with the kind of TLS that the outgoing one of a site has."""
    return (MailServer("imap", "imap.example.ac.uk", 993, _site(name).outgoing[0].security),)


def _outgoing_table(page: Markup) -> dict[str, str]:
    """The table of outgoing mail, row by row."""
    (table,) = (one for one in page.all("table") if one.words.startswith("Outgoing mail (SMTP)"))
    heads = [one for one in page.all("th") if one.within("table") is table]
    cells = [one for one in page.all("td") if one.within("table") is table]
    return {head.words: cell.words for head, cell in zip(heads, cells, strict=True)}


class TestWithoutIncomingServer:
    @pytest.mark.parametrize("slug", [one.slug for one in FOR_PEOPLE])
    def test_no_program_is_said_to_set_itself_up(self, slug: str) -> None:
        """Settings of an account are asked for; there is none without a server to read from."""
        assert "quick" not in _ids(_page("no incoming", slug))

    @pytest.mark.parametrize("slug", [one.slug for one in FOR_PEOPLE])
    def test_there_is_a_way_by_hand(self, slug: str) -> None:
        assert _page("no incoming", slug).of_class("steps")

    @pytest.mark.parametrize(
        "slug", ["outlook-new", "outlook-mobile", "gmail-app", "samsung-email", "mailspring"]
    )
    def test_programs_that_cannot_send_alone_say_so(self, slug: str) -> None:
        assert "cannot be set up for sending alone" in _page("no incoming", slug).text
        assert "cannot be set up for sending alone" not in _page("usual", slug).text

    @pytest.mark.parametrize("path", ["/", "/programs", "/?system=linux", "/?system=ios"])
    def test_no_list_says_that_a_program_sets_itself_up(self, path: str) -> None:
        for name, tagged in (("usual", True), ("no incoming", False)):
            page = markup(Client(_application(name), headers={"user-agent": "Windows NT"}).get(path).text)
            assert bool(page.of_class("tag")) == tagged


class TestTheQuickWay:
    @pytest.mark.parametrize("program", FOR_PEOPLE, ids=lambda program: program.slug)
    def test_is_told_of_programs_that_find_their_settings_and_of_no_others(self, program: Program) -> None:
        finds = program.automatic is not Automatic.NONE
        assert ("quick" in _ids(_page("usual", program.slug))) == finds

    def test_is_promised_in_lists_where_the_page_has_it(self) -> None:
        for name in SITES:
            cards = markup(Client(_application(name)).get("/programs?lang=en").text).of_class("card")
            promised = {one.attributes["href"] for one in cards if "sets itself up" in one.words}
            pages_with = {f"/programs/{one}" for one in SLUGS if "quick" in _ids(_page(name, one))}
            assert promised == pages_with, name

    @pytest.mark.parametrize("slug", ["apple-mail-ios", "apple-mail-mac"])
    def test_of_apples_systems_is_a_form_that_gives_a_profile(self, slug: str) -> None:
        page = _page("usual", slug)
        (form,) = page.all("form")
        names = {one.attributes["name"] for one in page.all("input")}
        assert names == {"address", "name", "lang"}
        answer = Client(_application("usual")).get(
            f"{form.attributes['action']}?address=alice%40example.ac.uk&name=Alice&lang=en"
        )
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/x-apple-aspen-config"
        assert b"alice@example.ac.uk" in answer.body
        assert _page("no incoming", slug).all("form") == []

    def test_warns_of_the_user_name_where_it_does_not_follow_from_the_address(self) -> None:
        for program in FOR_PEOPLE:
            if program.automatic is Automatic.AUTOCONFIG:
                assert "Look at the user name" in _page("login", program.slug).text
                assert "Look at the user name" not in _page("usual", program.slug).text


class TestWhoSeesThePassword:
    @pytest.mark.parametrize(
        ("slug", "maker"),
        [("outlook-new", "Microsoft"), ("outlook-mobile", "Microsoft"), ("gmail-web", "Google")],
    )
    def test_is_told_where_it_is_kept_by_a_programs_maker(self, slug: str, maker: str) -> None:
        text = _page("usual", slug).text
        assert f"your password is kept at {maker}" in text
        assert text.index("your password is kept at") < text.index("Step by step")
        note = by_slug(slug)
        assert note is not None
        assert maker in note.note


class TestAPage:
    """What holds for the markup of each."""

    @pytest.mark.parametrize("slug", SLUGS)
    def test_is_well_formed(self, slug: str) -> None:
        for name in SITES:
            page = _page(name, slug)
            assert page.strays == []
            ids = _ids(page)
            assert len(set(ids)) == len(ids)

    @pytest.mark.parametrize("slug", SLUGS)
    def test_has_one_first_heading_and_leaves_no_level_out(self, slug: str) -> None:
        for name in SITES:
            levels = [int(one.tag[1]) for one in _page(name, slug).all("h1", "h2", "h3", "h4")]
            assert levels.count(1) == 1
            assert levels[0] == 1
            assert all(after <= before + 1 for before, after in itertools.pairwise(levels))

    @pytest.mark.parametrize("slug", SLUGS)
    def test_names_everything_that_can_be_used_or_seen(self, slug: str) -> None:
        page = _page("usual", slug)
        assert all("alt" in one.attributes for one in page.all("img"))
        assert all(one.words or one.attributes.get("aria-label") for one in page.all("a", "button", "label"))
        fields = [one for one in page.all("input", "select") if one.attributes.get("type") != "hidden"]
        assert all(one.within("label") or one.attributes.get("aria-label") for one in fields)
        refers = {
            one.attributes["aria-labelledby"] for one in page.elements if "aria-labelledby" in one.attributes
        }
        assert refers <= set(_ids(page))
        figures = page.all("figure")
        assert all(one.attributes.get("aria-label") for one in figures)

    @pytest.mark.parametrize("slug", SLUGS)
    def test_names_each_listing_for_the_eye_as_for_the_ear(self, slug: str) -> None:
        page = _page("usual", slug)
        heads = page.of_class("head")
        listings = [one.attributes["aria-label"] for one in page.all("pre")]
        assert [one.words.removesuffix("Copy").strip() for one in heads] == listings

    @pytest.mark.parametrize("slug", SLUGS)
    def test_has_no_style_or_script_of_its_own(self, slug: str) -> None:
        for name in SITES:
            assert _inline(_page(name, slug)) == []

    @pytest.mark.parametrize("slug", SLUGS)
    def test_has_drawings_whose_numbers_are_those_of_steps_beside_them(self, slug: str) -> None:
        for name in SITES:
            page = _page(name, slug)
            for section in page.all("section"):
                steps = [one for one in page.all("li") if one.within("section") is section]
                marks = [one for one in page.of_class("mark") if one.within("section") is section]
                numbers = {int(mark.words.removeprefix("step ")) for mark in marks}
                assert numbers <= set(range(1, len(steps) + 1)), name

    def test_leads_to_pages_that_exist(self) -> None:
        links = {"/", "/programs", "/settings"}
        for slug in SLUGS:
            links |= _links(_page("usual", slug))
        dead = [
            link
            for place, link in enumerate(sorted(links))
            if Client(_application("usual"), address=f"203.0.113.{place % 250 + 1}").get(link).status != 200
        ]
        assert dead == []

    @pytest.mark.parametrize("slug", SLUGS)
    def test_loads_nothing_from_elsewhere(self, slug: str) -> None:
        page = _page("usual", slug)
        loaded = [one.attributes.get("src", "") for one in page.all("img", "script", "iframe", "source")]
        loaded += [one.attributes["href"] for one in page.all("link")]
        assert all(address.startswith("/") and not address.startswith("//") for address in loaded)


def _ids(page: Markup) -> list[str]:
    return [one.attributes["id"] for one in page.elements if "id" in one.attributes]


def _links(page: Markup) -> set[str]:
    found = (one.attributes.get("href", "") for one in page.all("a", "link"))
    return {link.partition("#")[0] for link in found if link.startswith("/")}


def _inline(page: Markup) -> list[str]:
    """What the content security policy would not let run or apply."""
    found = [one.tag for one in page.all("style", "iframe", "object", "embed")]
    found += [one.tag for one in page.all("script") if not one.attributes.get("src", "").startswith("/")]
    found += [one.tag for one in page.all("script") if one.text]
    for element in page.elements:
        found += [name for name in element.attributes if name == "style" or name.startswith("on")]
        found += [
            value
            for name, value in element.attributes.items()
            if name in {"href", "src", "action"} and _runs(value)
        ]
    return found


def _runs(address: str) -> bool:
    return address.strip().lower().startswith(("javascript:", "data:", "vbscript:"))


class TestAHostileValue:
    """Nothing of the configuration becomes markup, whatever stands in it."""

    @pytest.mark.parametrize("incoming", [True, False], ids=["incoming", "no incoming"])
    @pytest.mark.parametrize("user_name", ["address", "local-part", "login"])
    def test_is_text_wherever_it_is_shown(self, user_name: str, incoming: bool) -> None:
        evil = self._site(user_name, incoming=incoming)
        for place, slug in enumerate(SLUGS):
            for language in LANGUAGES:
                client = Client(evil, address=f"198.51.100.{place + 1}")
                answer = client.get(f"/programs/{slug}?lang={language}")
                assert answer.status == 200
                page = markup(answer.text)
                assert _inline(page) == []
                assert [one for one in page.elements if "onmouseover" in one.attributes] == []
                assert len(page.all("script")) == 1
                assert page.strays == []
                assert f"evil name {_EVIL}" in page.elements[0].text

    def test_keeps_its_own_page_where_it_stands_in_the_address(self) -> None:
        client = Client(_application("usual"))
        answer = client.get("/programs/%3Cscript%3Ealert(1)%3C/script%3E")
        assert answer.status == 404
        answer = client.get("/programs/thunderbird?x=%22%3E%3Cscript%3E&lang=en")
        assert len(markup(answer.text).all("script")) == 1

    def _site(self, user_name: str, *, incoming: bool) -> Starlette:
        host = f"host.{_EVIL}"
        outgoing = _named(user_name, MailServer("smtp", host, 465, "implicit"))
        inbox = _named(user_name, MailServer("imap", host, 993, "implicit"))
        brand = Brand(
            f"evil name {_EVIL}",
            f"short {_EVIL}",
            f"account {_EVIL}",
            help_mail=f"help{_EVIL}@example.org",
            help_phone=f"1{_EVIL}",
            help_url="https://example.org/" + _EVIL,
            links=(NamedLink(f"link {_EVIL}", f"https://example.org/{_EVIL}"),),
        )
        return pages(
            brand=brand,
            server_name=host,
            domains=(f"{_EVIL}.example",),
            outgoing=outgoing,
            incoming=inbox if incoming else (),
            user_name=user_name,
        )


class TestTheFrontPage:
    """The programs of a system, the best choice first."""

    @pytest.mark.parametrize(
        ("system", "slugs"),
        [
            (System.WINDOWS, ["thunderbird", "outlook-classic", "em-client", "outlook-new"]),
            (System.MACOS, ["apple-mail-mac", "thunderbird", "em-client", "outlook-mac"]),
            (System.IOS, ["apple-mail-ios", "gmail-app", "outlook-mobile"]),
            (System.ANDROID, ["thunderbird-android", "k9-mail", "samsung-email", "gmail-app"]),
            (System.LINUX, ["thunderbird", "evolution", "kmail", "geary"]),
        ],
    )
    def test_begins_with_the_best(self, system: System, slugs: list[str]) -> None:
        assert [one.slug for one in for_system(system)][: len(slugs)] == slugs
        page = markup(Client(_application("usual")).get(f"/?system={system.value}&lang=en").text)
        shown = [one.attributes["href"] for one in page.of_class("card")]
        assert shown[: len(slugs)] == [f"/programs/{slug}" for slug in slugs]

    def test_has_every_program_for_people_in_the_list_of_one_of_its_systems(self) -> None:
        listed = {one.slug for system in System for one in for_system(system)}
        assert {one.slug for one in FOR_PEOPLE} <= listed

    def test_says_of_a_program_that_its_maker_keeps_the_password(self) -> None:
        page = markup(Client(_application("usual")).get("/?system=windows&lang=en").text)
        (card,) = (one for one in page.of_class("card") if one.attributes["href"] == "/programs/outlook-new")
        assert "keeps your password at Microsoft" in card.words


def test_programs_of_the_same_name_are_never_in_one_list() -> None:
    """Two cards could not be told apart."""
    for programs in _lists():
        names = [(one.name, one.note) for one in programs]
        assert len(set(names)) == len(names)


def _lists() -> Iterable[list[Program]]:
    for system in System:
        yield list(for_system(system))
    for kind in Kind:
        yield [one for one in PROGRAMS if one.kind is kind]


def test_a_drawing_is_read_aloud_with_the_numbers_of_its_steps() -> None:
    page = _page("usual", "thunderbird")
    drawings = page.of_class("drawing")
    assert drawings
    for drawing in drawings:
        assert drawing.attributes["role"] == "group"
        assert "aria-hidden" not in drawing.attributes
    row = next(one for one in page.of_class("row") if one.words.startswith("Server Name:"))
    parts = [one.words for one in page.elements if one.parent is row]
    assert parts == ["Server Name:", HOST, "step 3"]
