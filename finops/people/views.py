"""The pages for whoever manages people, and the one on which an invitation is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auditlog.context import auditlog_value
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN, PasswordResetConfirmView
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from costcenters.access import MANAGE_PEOPLE, PERMISSIONS_BACKEND, asking, require
from finops.audit_log import record
from finops.emails import where_mail_ends
from finops.people import changes, invitations
from finops.people.changes import Refused
from finops.people.forms import AcceptForm, InvitationForm, RoleForm
from finops.people.invitations import AlreadyHere
from finops.people.lockouts import open_again
from finops.people.page import people_page, person_page, role_choices
from finops.people.roles import Role, role_of


@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Everybody. `q` looks for names and addresses, `page` turns pages."""
    require(request, MANAGE_PEOPLE)
    page = people_page(
        asking(request), search=request.GET.get("q", ""), page=request.GET.get("page"), now=timezone.now()
    )
    return render(request, "finops/people.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    """Invites by e-mail. What is wrong is said beside its field: 400."""
    require(request, MANAGE_PEOPLE)
    form = InvitationForm(request.POST if request.method == "POST" else None)
    known = None
    if form.is_valid():
        try:
            person = invitations.invite(
                asking(request), form.cleaned_data["email"], Role(form.cleaned_data["role"])
            )
        except AlreadyHere as refusal:
            form.add_error("email", str(refusal))
            known = refusal.person
        else:
            mail_invitation(request, person)
            return redirect("people")
    context = {
        "form": form,
        "known": known,
        "roles": role_choices(form["role"].value()),
        "lasts": invitations.lasts(),
        "where_mail_ends": where_mail_ends(),
    }
    return render(request, "finops/people_invite.html", context, status=400 if form.errors else 200)


@require_safe
def person(request: HttpRequest, person: int) -> HttpResponse:
    require(request, MANAGE_PEOPLE)
    user = get_object_or_404(User.objects.prefetch_related("groups"), pk=person)
    page = person_page(user, asking(request), timezone.now())
    return render(request, "finops/people_person.html", {"page": page, "lasts": invitations.lasts()})


@require_POST
def change_role(request: HttpRequest, person: int) -> HttpResponse:
    require(request, MANAGE_PEOPLE)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for error in form.errors["role"]))
        return redirect("person", person)

    def change(actor: User, pk: int) -> User:
        return changes.change_role(actor, pk, Role(form.cleaned_data["role"]))

    changed = done(request, person, change)
    if changed is not None:
        messages.success(request, f"{changed} is {role_of(changed)} from now on.")
    return redirect("person", person)


@require_http_methods(["GET", "HEAD", "POST"])
def deactivate(request: HttpRequest, person: int) -> HttpResponse:
    """Asks first; a POST deactivates."""
    require(request, MANAGE_PEOPLE)
    if request.method != "POST":
        user = get_object_or_404(User.objects.prefetch_related("groups"), pk=person)
        page = person_page(user, asking(request), timezone.now())
        return render(request, "finops/people_deactivate.html", {"page": page})
    changed = done(request, person, changes.deactivate)
    if changed is not None:
        messages.success(request, f"{changed} is deactivated and logged out everywhere.")
    return redirect("person", person)


@require_POST
def reactivate(request: HttpRequest, person: int) -> HttpResponse:
    require(request, MANAGE_PEOPLE)
    changed = done(request, person, changes.reactivate)
    if changed is not None:
        messages.success(request, f"{changed} is reactivated.")
    return redirect("person", person)


@require_POST
def invite_again(request: HttpRequest, person: int) -> HttpResponse:
    require(request, MANAGE_PEOPLE)
    changed = done(request, person, invitations.invite_again)
    if changed is not None:
        mail_invitation(request, changed)
    return redirect("person", person)


@require_POST
def withdraw(request: HttpRequest, person: int) -> HttpResponse:
    require(request, MANAGE_PEOPLE)
    changed = done(request, person, invitations.withdraw)
    if changed is None:
        return redirect("person", person)
    messages.success(request, f"The invitation of {changed} is withdrawn; its link no longer works.")
    return redirect("people")


@require_POST
def unlock(request: HttpRequest, person: int) -> HttpResponse:
    """Opens the log-in that too many wrong passwords closed."""
    require(request, MANAGE_PEOPLE)
    user = get_object_or_404(User, pk=person)
    if open_again(user):
        messages.success(request, f"{user} can try to log in again.")
    else:
        messages.info(request, f"{user} is not locked out.")
    return redirect("people")


def done(request: HttpRequest, pk: int, change: Callable[[User, int], User]) -> User | None:
    """Whom `change` changed; None when it refused, of which a message tells why."""
    try:
        return change(asking(request), pk)
    except Refused as refusal:
        messages.error(request, str(refusal))
    except User.DoesNotExist:
        raise Http404 from None
    return None


def mail_invitation(request: HttpRequest, person: User) -> None:
    """Send it, and say what came of it."""
    if why := invitations.send(person, asking(request)):
        messages.error(
            request,
            f"{person} is invited, but the mail could not be sent. {why} Once that is mended, choose “Send again” "
            f"on the page of {person}.",
        )
    elif ends := where_mail_ends():
        messages.warning(
            request,
            f"{person} is invited, but the mail with the link was {ends}: no mail server is set up (EMAIL_URL).",
        )
    else:
        messages.success(request, f"{person} is invited: a mail with a link is on its way.")


class AcceptInvitation(PasswordResetConfirmView):
    """The page behind the link in an invitation. Django's own for a forgotten password moves the token out of the
    address and into the session, so that no Referer tells it; this one takes invitations only, and logs in."""

    token_generator = invitations.tokens
    form_class = AcceptForm
    template_name = "registration/invitation.html"
    success_url = reverse_lazy("overview")

    def get_user(self, uidb64: str) -> User | None:
        user = super().get_user(uidb64)
        return user if user is not None and invitations.is_invited(user) else None

    def form_valid(self, form: AcceptForm) -> HttpResponse:  # type: ignore[override]
        token = self.request.session.get(INTERNAL_RESET_SESSION_TOKEN)
        with transaction.atomic():
            # Withdrawn, or accepted in another window, since the page was asked for.
            user = User.objects.select_for_update().filter(pk=form.user.pk).first()
            valid = user is not None and invitations.is_invited(user)
            if user is None or not valid or not self.token_generator.check_token(user, token):
                self.validlink = False
                return self.render_to_response(self.get_context_data())
            user.first_name = form.cleaned_data["name"]
            form.user = user
            logout(self.request)
            # Whoever was logged in before: from here on it is the invited person who acts.
            auditlog_value.get({})["actor"] = user
            form.save()
            record.happened(user, "accepted the invitation")
        login(self.request, user, backend=PERMISSIONS_BACKEND)
        messages.success(self.request, f"Welcome. From now on you log in as {user}.")
        return redirect(self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        if self.validlink and self.user is not None:
            role = role_of(self.user)
            context |= {
                "invited": self.user,
                "role": role,
                "may": Role(role).may if role in Role.values else "",
                "link_until": invitations.link_until(self.user),
            }
        return context
