"""The group Admin may administer models that came after it was made."""

from __future__ import annotations

from django.contrib.auth.management import create_permissions
from django.db import migrations

LATER = {"costcenters": ("statement", "statementday"), "integrations": ("subscriptionseats",)}


def permissions_of_later(apps, alias):
    Permission = apps.get_model("auth", "Permission")
    for label, models in LATER.items():
        yield from Permission.objects.using(alias).filter(
            content_type__app_label=label, content_type__model__in=models
        )


def allow(apps, schema_editor):
    alias = schema_editor.connection.alias
    for label in LATER:
        config = apps.get_app_config(label)
        # Historical app configs hold models but no models module, without which nothing is created.
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0, using=alias)
        config.models_module = None
    admins = apps.get_model("auth", "Group").objects.using(alias).filter(name="Admin").first()
    if admins is not None:
        admins.permissions.add(*permissions_of_later(apps, alias))


def disallow(apps, schema_editor):
    alias = schema_editor.connection.alias
    admins = apps.get_model("auth", "Group").objects.using(alias).filter(name="Admin").first()
    if admins is not None:
        admins.permissions.remove(*permissions_of_later(apps, alias))


class Migration(migrations.Migration):
    dependencies = [
        ("finops", "0004_deliveries_and_renewals"),
        ("costcenters", "0003_statements"),
        ("integrations", "0004_deliveries_and_subscriptions"),
    ]

    operations = [migrations.RunPython(allow, disallow)]
