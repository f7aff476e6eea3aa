"""A message of 4 KiB as a mail program makes it, in parts."""

from __future__ import annotations

HEAD = (
    b"Message-ID: <4f1c7a52-9d0e-4a53-8d1e-2f6f0b6f3c11@client.example.org>\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    b"MIME-Version: 1.0\r\n"
    b"User-Agent: Mail Program/1.0\r\n"
    b"Content-Language: en-GB\r\n"
    b'To: "Bob" <bob@example.net>\r\n'
    b"From: Alice <alice@example.org>\r\n"
    b"Subject: The minutes of yesterday's meeting\r\n"
    b"Content-Type: text/plain; charset=UTF-8; format=flowed\r\n"
    b"Content-Transfer-Encoding: 7bit\r\n"
    b"\r\n"
)
_LINE = b"All of us agreed that the next meeting is to be held on the first Monday.\r\n"
TEXT = _LINE * ((4_096 - len(HEAD)) // len(_LINE))
CONTENT = HEAD + TEXT
