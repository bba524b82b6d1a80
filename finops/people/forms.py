"""What is typed to invite somebody, to change a role, and to accept an invitation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AdminPasswordChangeForm, SetPasswordForm, UserChangeForm
from django.contrib.auth.models import User

from finops.people.changes import Refused, hold_people, refuse_without_administrator
from finops.people.roles import Role

#: What a user name may hold: the address becomes one.
LONGEST_ADDRESS = 150


def role_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Role",
        choices=[(role.value, role.label) for role in Role],
        error_messages={
            "required": "Choose a role.",
            "invalid_choice": "There is no such role. Choose Viewer, Editor or Admin.",
        },
    )


class RoleForm(forms.Form):
    role = role_field()


class AddressField(forms.EmailField):
    """An address as it is stored: in lower case and the plain form of its letters, in which it must be one."""

    def to_python(self, value: Any) -> str:
        typed: str = super().to_python(value) or ""
        # A full-width comma or @ is none before this, and is one afterwards.
        return User.normalize_username(User.normalize_username(typed).lower())

    def run_validators(self, value: Any) -> None:
        super().run_validators(value)
        if not str(value).isprintable():
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")


class InvitationForm(forms.Form):
    email = AddressField(
        label="E-mail address",
        max_length=LONGEST_ADDRESS,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={
            "required": "Enter the address that the invitation is sent to.",
            "invalid": "This is not an e-mail address. It must be such as rin@example.com.",
        },
    )
    role = role_field()
    role.initial = Role.VIEWER.value


class AcceptForm(SetPasswordForm):  # type: ignore[type-arg]
    """A name, if one likes, and a password."""

    name = forms.CharField(
        label="Your name (optional)",
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    field_order = ("name", "new_password1", "new_password2")

    def clean(self) -> dict[str, Any] | None:
        # Before the passwords are looked at: none should be too similar to the name.
        self.user.first_name = self.cleaned_data.get("name", "")
        return super().clean()


class AccountForm(UserChangeForm):  # type: ignore[type-arg]
    """An account in the Django admin: there too the last one who manages people stays."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        answers = {"is_superuser": self.instance.is_superuser, **self.cleaned_data}
        is_admin = any(group.name == Role.ADMIN for group in answers.get("groups", ()))
        manages = answers.get("is_active", True) and (answers["is_superuser"] or is_admin)
        # What is typed stands on the instance only later; who is the last one is asked of the database.
        hold_people()
        try:
            refuse_without_administrator(self.instance, manages_people=bool(manages))
        except Refused as refusal:
            raise forms.ValidationError(str(refusal)) from None
        return cleaned


class AccountPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """A password set in the Django admin, or taken away: not from the last one who manages people."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        try:
            refuse_without_administrator(self.user, manages_people=self.cleaned_data["set_usable_password"])
        except Refused as refusal:
            # Its page shows no errors but those of fields.
            self.add_error("usable_password", str(refusal))
        return cleaned
