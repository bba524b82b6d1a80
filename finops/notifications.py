"""Which e-mails a person gets: the page on which they choose, a test e-mail, and the link that stops one kind."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from costcenters.access import VIEW_REPORTS, asking, require
from finops.emails import email, refusal_in_words, where_mail_ends
from finops.models import NotificationSetting

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

STOP_SALT = "finops.notifications.stop"
STOP_LINK_HOLDS = timedelta(days=365)
SECONDS_BETWEEN_TESTS = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of e-mail that people may switch off; `flag` is its field of NotificationSetting."""

    flag: str
    label: str
    explanation: str


KINDS = {
    kind.flag: kind
    for kind in (
        Kind(
            "setup_finished",
            "A set-up is finished",
            "A new cost center has its history in the bill.",
        ),
        Kind(
            "key_refused",
            "A key is refused",
            "The provider no longer accepts it: nothing new is read until somebody replaces it.",
        ),
        Kind(
            "sync_failing",
            "Reading has failed for a day",
            "Something else is wrong, such as an outage at the provider. One e-mail, however long it lasts.",
        ),
        Kind(
            "recovered",
            "It works again",
            "After a refused key or a day of failures: the bill is complete again.",
        ),
        Kind(
            "renewal_ahead",
            "A subscription renews soon",
            "Some days before. Its owner is told; where no account here has the owner’s address, you are, as of a cost "
            "center of yours.",
        ),
        Kind(
            "delivery_stuck",
            "A delivery waits for an answer, or was refused",
            "Files of a bill that were found or uploaded could not be imported as they are. Once a delivery.",
        ),
    )
}


class NotificationForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = NotificationSetting
        fields = [*KINDS, "every_cost_center"]
        labels = {flag: kind.label for flag, kind in KINDS.items()} | {
            "every_cost_center": "Also for cost centers that others connected"
        }
        help_texts = {flag: kind.explanation for flag, kind in KINDS.items()} | {
            "every_cost_center": "Without it you hear of those that you connected. When whoever connected one has "
            "left or has no address, all Admins are told instead."
        }

    def kinds(self) -> list[forms.BoundField]:
        return [self[flag] for flag in KINDS]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def notifications(request: HttpRequest) -> HttpResponse:
    require(request, VIEW_REPORTS)
    user = asking(request)
    setting = NotificationSetting.objects.filter(user=user).first()
    form = NotificationForm(request.POST if request.method == "POST" else None, instance=setting)
    if request.method == "POST" and form.is_valid():
        NotificationSetting.objects.update_or_create(user=user, defaults=form.cleaned_data)
        if any(form.cleaned_data[flag] for flag in KINDS):
            messages.success(request, "Saved.")
        else:
            messages.success(request, "Saved. You get no e-mails about cost centers now.")
        return redirect("notifications")
    context = {"form": form, "where_mail_ends": where_mail_ends()}
    return render(request, "finops/notifications.html", context)


@require_POST
def send_test_email(request: HttpRequest) -> HttpResponse:
    """Send whoever asks an e-mail at once, and say in words what came of it."""
    require(request, VIEW_REPORTS)
    user = asking(request)
    if not user.email:
        messages.error(request, "Your account has no e-mail address, so nothing could be sent.")
    elif not cache.add(f"test-email:{user.pk}", 1, SECONDS_BETWEEN_TESTS):
        messages.warning(request, "You asked for one a few seconds ago. Wait a moment, then try again.")
    else:
        _send_test(request, user)
    return redirect("notifications")


def _send_test(request: HttpRequest, user: User) -> None:
    try:
        email("emails/test", {"settings_url": settings_url(), "site_url": settings.SITE_URL}, to=user).send()
    except OSError as error:
        # SMTP errors are among these.
        words = refusal_in_words(error)
        logger.warning("a test e-mail could not be sent: %s", words)
        messages.error(request, f"The test e-mail was not sent. {words}")
    except Exception as error:
        logger.exception("a test e-mail could not be sent")
        messages.error(request, f"The test e-mail was not sent. {refusal_in_words(error)}")
    else:
        if ends := where_mail_ends():
            messages.warning(request, f"The test e-mail was not sent but {ends}: no mail server is set up.")
        else:
            messages.success(
                request,
                f"A test e-mail to {user.email} was handed to the mail server. Nothing there in a few minutes? Look "
                "among the spam.",
            )


@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """Whoever holds the token of an e-mail may stop its kind, without logging in; mail programs do so by themselves
    (RFC 8058). A GET changes nothing: scanners follow every link."""
    held = _of_token(token)
    if held is None:
        return render(request, "finops/stop_link_broken.html", status=404)
    user_id, kind = held
    if request.method == "POST":
        NotificationSetting.objects.update_or_create(user_id=user_id, defaults={kind.flag: False})
    is_off = NotificationSetting.objects.filter(**{kind.flag: False}, user_id=user_id).exists()
    return render(request, "finops/stop.html", {"kind": kind, "is_off": is_off})


def _of_token(token: str) -> tuple[int, Kind] | None:
    """The account and the kind of e-mail that a token is for; None when it is not ours, too old, or they are gone."""
    try:
        user_id, flag = signing.loads(token, salt=STOP_SALT, max_age=STOP_LINK_HOLDS)
    except signing.BadSignature:
        return None
    if flag not in KINDS or not get_user_model().objects.filter(pk=user_id).exists():
        return None
    return user_id, KINDS[flag]


def settings_url() -> str:
    return f"{settings.SITE_URL}{reverse('notifications')}"


def stop_url(user: User, kind: Kind) -> str:
    """The address that stops e-mails of this kind to `user`, for a year, without logging in."""
    token = signing.dumps([user.pk, kind.flag], salt=STOP_SALT)
    return f"{settings.SITE_URL}{reverse('notifications-stop', args=[token])}"
