"""`make sbom`: what SAMS is made of, as a CycloneDX bill of materials: sbom.py REQUIREMENTS... OUTPUT.

Every pinned runtime requirement with its version, its licence, the SHA-256 of each file that may be installed for it,
and what it is needed for; SAMS itself with its version. Licences are read from the installed packages, so that it
runs in an environment made by `make env`. The same pins give the same octets: the time is SOURCE_DATE_EPOCH, the
serial number is made from the content.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import uuid
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.markers import Marker

from sams import __version__
from tools.pins import Pin, read_pins

_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562 appendix B, for URLs
_SPDX_OF_CLASSIFIER = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


class WrongEnvironment(Exception):
    """What is installed here is not what the requirements say."""


def make_bom(pins: Sequence[Pin], epoch: int) -> Bom:
    """The bill.

    Raises:
        WrongEnvironment: another version is installed than is pinned.
    """
    components = {pin.name: _component(pin) for pin in pins}
    ours = Component(
        name="sams",
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref=f"pkg:pypi/sams@{__version__}",
        purl=PackageURL("pypi", name="sams", version=__version__),
        description=metadata("sams")["Summary"],
    )
    bom = Bom(
        components=components.values(),
        metadata=BomMetaData(component=ours, timestamp=dt.datetime.fromtimestamp(epoch, dt.UTC)),
        serial_number=uuid.uuid5(_NAMESPACE, _content(pins, epoch)),
    )
    bom.register_dependency(ours, [components[pin.name] for pin in pins if _is_asked_for(pin)])
    for parent, component in components.items():
        bom.register_dependency(component, [components[pin.name] for pin in pins if parent in pin.via])
    return bom


def _is_asked_for(pin: Pin) -> bool:
    return any(one.startswith("-r ") for one in pin.via)


def _content(pins: Iterable[Pin], epoch: int) -> str:
    return "\n".join((f"sams {__version__} {epoch}", *(f"{pin.line} {pin.marker}" for pin in pins)))


def _component(pin: Pin) -> Component:
    about = metadata(pin.name)
    if about["Version"] != pin.version:
        raise WrongEnvironment(
            f"{pin.name} {about['Version']} is installed, {pin.version} is pinned: run make env"
        )
    return Component(
        name=pin.name,
        version=pin.version,
        bom_ref=f"pkg:pypi/{pin.name}@{pin.version}",
        purl=PackageURL("pypi", name=pin.name, version=pin.version),
        description=about["Summary"],
        licenses=licences(about),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in pin.hashes],
        properties=[Property(name="sams:marker", value=pin.marker)] if pin.marker else [],
    )


def licences(about: PackageMetadata) -> list[License]:
    """What a package says of itself: its SPDX expression, else its classifiers, else its own words."""
    make, said = LicenseFactory(), about.get_all("License") or []
    expression = (about.get_all("License-Expression") or [""])[0]
    if expression:
        return [make.make_from_string(expression)]
    known = [_SPDX_OF_CLASSIFIER.get(each) for each in about.get_all("Classifier") or []]
    return [make.make_from_string(each) for each in known if each] or [
        make.make_from_string(each.splitlines()[0]) for each in said if each.strip()
    ]


def _is_for_here(pin: Pin) -> bool:
    """What is for another system alone (time zones, for Windows) is no part of what runs here."""
    return not pin.marker or Marker(pin.marker).evaluate()


def text_of(bom: Bom) -> str:
    """CycloneDX 1.6 as JSON.

    Raises:
        ValueError: it does not keep to the schema.
    """
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise ValueError(f"the bill of materials does not keep to its schema: {wrong.data}")
    return text


def main() -> int:
    """See the file's own words."""
    *requirements, output = map(Path, sys.argv[1:])
    try:
        epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    except (KeyError, ValueError):
        sys.exit("sbom: set SOURCE_DATE_EPOCH (seconds), so that the same pins give the same file")
    try:
        pins = {pin.name: pin for file in requirements for pin in read_pins(file) if _is_for_here(pin)}
        output.write_text(text_of(make_bom(tuple(pins.values()), epoch)))
    except WrongEnvironment as error:
        sys.exit(f"sbom: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
