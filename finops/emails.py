"""How an e-mail of the product is made, and in which words a mail server's refusal is told."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.text import Truncator

from finops.secrets import redact

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Subjects are cut to this where the name in them allows it; a name keeps at least SHORTEST_NAME characters.
LONGEST_SUBJECT, SHORTEST_NAME = 60, 20
LONGEST_ANSWER = 200

#: Mail backends that send nothing, with what becomes of a message there.
NOT_SENDING = {
    "django.core.mail.backends.console.EmailBackend": "only printed in the server’s log",
    "django.core.mail.backends.filebased.EmailBackend": "only written to files on the server",
    "django.core.mail.backends.locmem.EmailBackend": "only kept in memory",
    "django.core.mail.backends.dummy.EmailBackend": "thrown away",
}


def where_mail_ends() -> str:
    """What becomes of e-mails while no mail server is set up, such as "thrown away"; empty when they are sent."""
    return NOT_SENDING.get(settings.EMAIL_BACKEND, "")


def one_line(text: str) -> str:
    """`text` without line breaks, control characters and marks that turn the direction of writing."""
    return "".join(mark for mark in " ".join(text.split()) if mark.isprintable())


def email(
    template: str, context: Mapping[str, Any], *, to: User, headers: Mapping[str, str] | None = None
) -> EmailMultiAlternatives:
    """An e-mail to one person from `<template>_subject.txt`, `.txt` and `.html`.

    `name` of the context is cut in the subject where that gets too long.
    """
    message = EmailMultiAlternatives(
        _subject(f"{template}_subject.txt", context),
        render_to_string(f"{template}.txt", {**context}).strip() + "\n",
        settings.DEFAULT_FROM_EMAIL,
        [to.email],
        headers={"Auto-Submitted": "auto-generated", **(headers or {})},
    )
    message.attach_alternative(render_to_string(f"{template}.html", {**context}), "text/html")
    return message


def _subject(template: str, context: Mapping[str, Any]) -> str:
    whole = one_line(render_to_string(template, {**context}))
    name = str(context.get("name", ""))
    room = max(SHORTEST_NAME, len(name) - (len(whole) - LONGEST_SUBJECT))
    if len(whole) <= LONGEST_SUBJECT or len(name) <= room:
        return whole
    return one_line(
        render_to_string(template, {**context, "name": Truncator(name).chars(room, truncate="...")})
    )


def refusal_in_words(error: Exception) -> str:
    """Why a message could not be sent, for people: no traceback and no password; what to look at."""
    timed_out = f"The mail server did not answer within {settings.EMAIL_TIMEOUT} seconds."
    match error:
        case smtplib.SMTPAuthenticationError():
            # Some servers repeat what they were sent.
            return f"The mail server refuses the user name and password in EMAIL_URL ({error.smtp_code})."
        case smtplib.SMTPSenderRefused():
            answer = _answer(error.smtp_code, error.smtp_error)
            return f"The mail server refuses the sender, DEFAULT_FROM_EMAIL ({answer})."
        case smtplib.SMTPRecipientsRefused():
            answers = [_answer(*refusal) for refusal in error.recipients.values()]
            return f"The mail server refuses the address ({'; '.join(answers)})."
        case smtplib.SMTPResponseException():
            return f"The mail server refuses the message ({_answer(error.smtp_code, error.smtp_error)})."
        case smtplib.SMTPNotSupportedError():
            return "The mail server does not offer what EMAIL_URL asks for: encryption (TLS), or logging in."
        case smtplib.SMTPServerDisconnected():
            # smtplib reports a time-out while it waits for an answer like this.
            if isinstance(error.__context__, TimeoutError):
                return timed_out
            return "The mail server ended the connection. Do port and encryption in EMAIL_URL fit it?"
        case ssl.SSLError():
            return (
                "No secure connection to the mail server could be made: its certificate or its port does not fit "
                "EMAIL_URL."
            )
        case TimeoutError():
            return timed_out
        case socket.gaierror():
            return "The mail server’s name in EMAIL_URL cannot be found."
        case OSError():
            return "The mail server cannot be reached at the address in EMAIL_URL."
    return f"An error inside Onebill ({type(error).__name__}) stopped it. The log says more."


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    hidden = redact(one_line(words), settings.EMAIL_HOST_PASSWORD or "")
    return Truncator(f"{code} {hidden}".strip()).chars(LONGEST_ANSWER)
