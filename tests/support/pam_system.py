"""A system of its own for PAM: accounts (by nss_wrapper), services in a folder, and modules with bad habits."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sams.config.sources import PamSource
from sams.core.spawning import clean_environment
from sams.identity.questions import HEARING, questions_pair
from sams.identity.sources.pam.directory import PamDirectory, orders_for, spawn_helper
from sams.identity.sources.pam.messages import helper_command
from tests.support.processes import children

IS_THERE = all(shutil.which(name) for name in ("gcc", "openssl")) and bool(
    list(Path("/usr/lib").glob("*/libnss_wrapper.so"))
)
MISSING = "gcc, openssl or nss_wrapper is missing: apt install gcc openssl libnss-wrapper, or make system"
NOT_ROOT = "what pam_unix says of an account is told where /etc/shadow may be read: run this test as root"
PASSWORD = "correct horse"

_MODULE = r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
typedef struct pam_handle pam_handle_t;
struct pam_message { int style; const char *text; };
struct pam_response { char *text; int code; };
struct pam_conv {
  int (*converse)(int, const struct pam_message **, struct pam_response **, void *);
  void *data;
};
extern int pam_get_item(const pam_handle_t *, int, const void **);
extern int pam_set_item(pam_handle_t *, int, const void *);
extern int pam_fail_delay(pam_handle_t *, unsigned int);

static const char *option(int count, const char **texts, const char *name) {
  for (int at = 0; at < count; at++)
    if (!strncmp(texts[at], name, strlen(name))) return texts[at] + strlen(name);
  return NULL;
}

static int ask(pam_handle_t *handle, int style, const char *wanted) {
  const struct pam_conv *conversation = NULL;
  struct pam_message message = { style, "What?" };
  const struct pam_message *messages[] = { &message };
  struct pam_response *answers = NULL;
  if (pam_get_item(handle, 5, (const void **)&conversation) || !conversation) return 4;
  int code = conversation->converse(1, messages, &answers, conversation->data);
  if (code) return code;
  code = wanted && (!answers->text || strcmp(answers->text, wanted)) ? 7 : 0;
  free(answers->text);
  free(answers);
  return code;
}

static int act(pam_handle_t *handle, int count, const char **texts, const char *name) {
  const char *text;
  if (option(count, texts, "crash")) *(volatile int *)0 = 1;
  if (option(count, texts, "exit")) _exit(3);
  if (option(count, texts, "hang")) for (;;) { if (fork() == 0) pause(); pause(); }
  if (option(count, texts, "slow")) usleep(300000);
  if ((text = option(count, texts, "host="))) {
    const char *host = NULL;
    pam_get_item(handle, 4, (const void **)&host);
    if (!host || strcmp(host, text)) return 7;
  }
  if ((text = option(count, texts, "user="))) pam_set_item(handle, 2, text);
  if ((text = option(count, texts, "ask="))) {
    int code = ask(handle, atoi(text), NULL);
    if (code) return code;
  }
  if ((text = option(count, texts, "password="))) {
    int code = ask(handle, 1, text);
    if (code == 7) pam_fail_delay(handle, 5000000);
    if (code) return code;
  }
  text = option(count, texts, name);
  return text ? atoi(text) : 0;
}

int pam_sm_authenticate(pam_handle_t *handle, int flags, int count, const char **texts) {
  return act(handle, count, texts, "auth=");
}
int pam_sm_setcred(pam_handle_t *handle, int flags, int count, const char **texts) { return 0; }
int pam_sm_acct_mgmt(pam_handle_t *handle, int flags, int count, const char **texts) {
  const char *text = option(count, texts, "account=");
  return text ? atoi(text) : 0;
}
"""
_SHADOW_SHIM = r"""
#define _GNU_SOURCE
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* nss_wrapper has getspnam, and libpam calls this one. */
int getspnam_r(const char *name, struct spwd *entry, char *text, size_t size, struct spwd **found) {
  FILE *file = fopen(getenv("NSS_WRAPPER_SHADOW"), "re");
  *found = NULL;
  while (file && !fgetspent_r(file, entry, text, size, found) && strcmp(entry->sp_namp, name)) *found = NULL;
  if (file) fclose(file);
  return 0;
}
"""
_ACCOUNTS = {"root": 0, "daemon": 99, "alice": 1001, "bob": 1002, "old": 1003, "stale": 1004, "locked": 1005}
_TODAY = 20_000
_SHADOW = {
    "old": ":20000:0:99999:7::10000:",
    "stale": ":10000:0:1:7:::",
}


@dataclass
class PamSystem:
    """The accounts and services, and a helper that sees them."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sams-pam-")))
    questions: socket.socket = field(init=False)
    hearing: socket.socket = field(init=False)
    pid: int = 0

    def __post_init__(self) -> None:
        self.folder.chmod(0o755)
        (self.folder / "services").mkdir()
        self.questions, self.hearing = questions_pair()
        self._write_accounts()
        self._compile("shadow_shim", _SHADOW_SHIM)

    def write_service(self, name: str, *lines: str) -> None:
        (self.folder / "services" / name).write_text("\n".join(lines) + "\n")

    def write_module_service(self, name: str, options: str) -> None:
        """A service of the module with bad habits alone."""
        module = self.folder / "habits.so"
        self.write_service(name, f"auth required {module} {options}", f"account required {module} {options}")

    def build_module(self) -> None:
        self._compile("habits", _MODULE, "-l:libpam.so.0")

    def build_user_database(self, **passwords: str) -> Path:
        """For pam_userdb; its path without the suffix."""
        lines = "".join(f"{name}\n{password}\n" for name, password in passwords.items())
        program = next(path for path in ("db5.3_load", "db_load") if shutil.which(path))
        command = [program, "-T", "-t", "hash", str(self.folder / "users.db")]
        subprocess.run(command, input=lines.encode(), check=True, timeout=60)
        return self.folder / "users"

    def start(self, *sections: PamSource, keep: bool = False) -> None:
        orders = orders_for(sections, 1, keep=keep, folder=str(self.folder / "services"))
        self.pid = spawn_helper(orders, self.hearing, self._environment())

    def start_as(self, uid: int, *sections: PamSource) -> None:
        """As another user, for who is root."""
        command = helper_command(orders_for(sections, 1, folder=str(self.folder / "services")))
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.dup2(self.hearing.fileno(), HEARING)
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                os.execve(command[0], command, self._environment())  # noqa: S606 - the helper
            finally:
                os._exit(99)

    def directory(self, section: PamSource) -> PamDirectory:
        return PamDirectory(section, self.questions)

    def kill(self) -> int:
        """End the helper at once; its status."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> int:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise AssertionError("the helper does not end")

    def children(self) -> list[int]:
        """Of the helper: checks under way."""
        return children(self.pid)

    def remove(self) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            self.wait()
        self.questions.close()
        self.hearing.close()
        shutil.rmtree(self.folder)

    def _compile(self, name: str, text: str, *libraries: str) -> None:
        source = self.folder / f"{name}.c"
        source.write_text(text)
        command = ["gcc", "-shared", "-fPIC", "-o", f"{self.folder}/{name}.so", str(source), *libraries]
        subprocess.run(command, check=True, timeout=60)

    def _environment(self) -> dict[str, str]:
        library = next(iter(Path("/usr/lib").glob("*/libnss_wrapper.so")))
        return {
            **clean_environment(),
            "LD_PRELOAD": f"{library} {self.folder}/shadow_shim.so",
            "NSS_WRAPPER_MAX_HOSTENTS": "16",
            "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.folder / "group"),
            "NSS_WRAPPER_SHADOW": str(self.folder / "shadow"),
        }

    def _write_accounts(self) -> None:
        made: Any = subprocess.run(
            ["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True, timeout=60
        )
        secret = made.stdout.strip()
        accounts = [
            f"{name}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin" for name, uid in _ACCOUNTS.items()
        ]
        shadow = [
            f"{name}:{'!' if name == 'locked' else ''}{secret}{_SHADOW.get(name, f':{_TODAY}:0:99999:7:::')}"
            for name in _ACCOUNTS
        ]
        groups = [f"{name}:x:{uid}:" for name, uid in _ACCOUNTS.items()] + ["mailusers:x:2000:alice,carol"]
        for name, lines in (("passwd", accounts), ("shadow", shadow), ("group", groups)):
            (self.folder / name).write_text("\n".join(lines) + "\n")
