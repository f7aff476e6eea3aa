"""The numbers of a shard."""

from __future__ import annotations

from dataclasses import dataclass, field

from sams.core.courtesy import Courtesy

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits and sizes of one shard, in octets where nothing else is said.

    min_free: less free space than this refuses new mail.
    body_in_memory: larger bodies are files.
    body_write, body_write_most: what a writer gathers at least, and at most, for one write to its file.
    bodies_pending: what all writers together may gather; many have to write smaller pieces.
    write_back: dirty octets of one body after which the system is asked to begin writing them.
    body_threads: threads that write, sync and read body files.
    ballast: preallocated file that is given up when the disk is full; as large as the log may become.
    batch_members, batch_octets: limits of one commit.
    checkpoint_pages: pages in the write-ahead log after which it is copied into the database.
    log_limit_pages: pages after which the log is restarted between two batches, readers permitting.
    shrink_pages: unused pages of the database that are kept for the next burst.
    shrink_step: pages given back to the disk in one step between two batches.
    usage_hours: for how long the use of logins is kept.
    courtesy: told of small mail; whether large bodies give way to it.
    """

    min_free: int = 1024 * MIB
    body_in_memory: int = 128 * KIB
    body_write: int = 128 * KIB
    body_write_most: int = MIB
    bodies_pending: int = 32 * MIB
    write_back: int = MIB
    body_threads: int = 2
    ballast: int = 64 * MIB
    batch_members: int = 128
    batch_octets: int = 4 * MIB
    checkpoint_pages: int = 1_000
    log_limit_pages: int = 2_000
    shrink_pages: int = 4_096
    shrink_step: int = 256
    usage_hours: int = 49
    courtesy: Courtesy = field(default_factory=Courtesy)
