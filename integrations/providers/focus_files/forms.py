"""What a person types to connect files in FOCUS format."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from costcenters.models import validate_currency, validate_name
from integrations.providers.focus_files.addresses import Bucket, Folder, NoAddress, address_of

REGION = re.compile(r"[a-z0-9-]{2,40}")


class NotEchoed(forms.TextInput):
    """Seen while it is typed, and never put into a page."""

    render_value = False

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


OFF = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class ConnectFilesForm(forms.Form):
    """Name, location, key and currency. The key is never echoed; without one the server's own identity is used."""

    #: Without a location, files are uploaded or imported on the command line.
    needs_location = True
    #: What stands in the form at first, and what a location looks like.
    proposed_name = ""
    example = "s3://bucket/prefix"

    name = forms.CharField(
        label="Cost Center Name",
        max_length=100,
        validators=[validate_name],
        help_text="How it will be called in the bill.",
    )
    location = forms.CharField(
        label="Location",
        required=False,
        max_length=1100,
        widget=forms.TextInput(attrs={**OFF, "placeholder": "s3://bucket/prefix"}),
        error_messages={"required": "Enter where the files lie, such as s3://bucket/prefix."},
        help_text="A bucket with its prefix, or a folder of this server. Everything below it is looked through.",
    )
    access_key_id = forms.CharField(
        label="Access Key ID",
        required=False,
        max_length=200,
        widget=NotEchoed(attrs=OFF),
        help_text="Of a user who may list the bucket and read its files, nothing more. Leave it and the secret empty "
        "to use this server’s own identity.",
    )
    secret_access_key = forms.CharField(
        label="Secret Access Key",
        required=False,
        max_length=500,
        widget=forms.PasswordInput(render_value=False, attrs=OFF),
        help_text="Stored encrypted, never shown again.",
    )
    region = forms.CharField(
        label="Region",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={**OFF, "placeholder": "eu-central-1"}),
        help_text="Of the bucket. Leave it empty to have it found.",
    )
    currency = forms.CharField(
        label="Currency",
        max_length=3,
        initial="USD",
        widget=forms.TextInput(attrs={**OFF, "autocapitalize": "characters"}),
        help_text="In which it is billed, such as USD. Lines in another currency get a cost center of their own.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["name"].initial = self.proposed_name
        self.fields["location"].widget.attrs["placeholder"] = self.example
        self.fields["location"].required = self.needs_location
        if "location" in self.initial:
            self.fields["access_key_id"].help_text = "Leave it and the secret empty to keep what is in use."
        if not self.needs_location:
            self.fields["location"].help_text += " Leave it empty to upload files instead."

    def clean_location(self) -> str:
        typed: str = self.cleaned_data["location"]
        try:
            address = address_of(typed)
        except NoAddress as error:
            raise forms.ValidationError(str(error)) from None
        return "" if address is None else str(address)

    def clean_access_key_id(self) -> str:
        return _one_word(self.cleaned_data["access_key_id"])

    def clean_secret_access_key(self) -> str:
        return _one_word(self.cleaned_data["secret_access_key"])

    def clean_region(self) -> str:
        region: str = self.cleaned_data["region"].strip().lower()
        if region and not REGION.fullmatch(region):
            raise forms.ValidationError("This is no region. It must be such as eu-central-1.")
        return region

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"].strip().upper()
        validate_currency(currency)
        return currency

    def clean(self) -> None:
        key, secret = self.cleaned_data.get("access_key_id"), self.cleaned_data.get("secret_access_key")
        if "access_key_id" in self.errors or "secret_access_key" in self.errors:
            return
        if key and not secret:
            self.add_error("secret_access_key", "Enter the secret that belongs to this access key ID.")
        if secret and not key:
            self.add_error("access_key_id", "Enter the ID that belongs to this secret.")
        location = self.cleaned_data.get("location")
        if key and secret and location is not None and not isinstance(_known(location), Bucket):
            self.add_error("access_key_id", "Only a bucket has a key. Leave both fields of it empty.")


def _known(location: str) -> Bucket | Folder | None:
    try:
        return address_of(location)
    except NoAddress:
        return None


def _one_word(text: str) -> str:
    if not text.isascii() or not text.isprintable() or any(character.isspace() for character in text):
        raise forms.ValidationError("This holds a space or an unusual character. Copy it once more.")
    return text
