"""A client for Marionette, the way in which Gecko's programs let themselves be driven, as far as tests need it.

Messages are `LENGTH:JSON` in both directions: `[0, id, command, parameters]` and `[1, id, error, result]`.
"""

from __future__ import annotations

import json
import socket
from typing import Any


class MarionetteError(Exception):
    """The program could not do it; the text is what it said."""


class Marionette:
    """A session in the chrome of a program: scripts have all its rights. seconds: how long one answer may take."""

    def __init__(self, port: int, seconds: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._stream = self._socket.makefile("rb")
        self._next = 1
        self._read()  # it introduces itself
        self._ask("WebDriver:NewSession", {})
        self._ask("Marionette:SetContext", {"value": "chrome"})
        self._ask("WebDriver:SetTimeouts", {"script": int(seconds * 1000)})

    def run(self, script: str, *arguments: object) -> Any:
        """The value of an async function with this body; `arguments` are what it is given."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            "const given = Array.prototype.slice.call(arguments, 0, -1);"
            f"(async (...arguments) => {{ {script} }})(...given).then("
            "value => done({value: value ?? null}), error => done({error: `${error}\\n${error?.stack}`}));"
        )
        parameters = {"script": wrapped, "args": list(arguments), "sandbox": "system", "newSandbox": True}
        answer = self._ask("WebDriver:ExecuteAsyncScript", parameters)["value"]
        if "error" in answer:
            raise MarionetteError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def _ask(self, command: str, parameters: dict[str, object]) -> Any:
        number, self._next = self._next, self._next + 1
        octets = json.dumps([0, number, command, parameters]).encode()
        self._socket.sendall(f"{len(octets)}:".encode() + octets)
        _, answered, error, result = self._read()
        assert answered == number
        if error:
            raise MarionetteError(
                f"{command}: {error['error']}: {error['message']}\n{error.get('stacktrace', '')}"
            )
        return result

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            octet = self._stream.read(1)
            if not octet:
                raise MarionetteError("the program ended")
            length += octet
        return json.loads(self._stream.read(int(length[:-1])))
