"""The groups Viewer, Editor and Admin, with the permissions they need (made first where they do not exist yet)."""

from __future__ import annotations

from django.contrib.auth.management import create_permissions
from django.db import migrations

ADMINISTERED = ("costcenters", "integrations", "finops", "auth", "auditlog", "axes")
VIEWER = ["view_reports"]
EDITOR = [*VIEWER, "connect_costcenter"]


def make_groups(apps, schema_editor):
    alias = schema_editor.connection.alias
    for label in ADMINISTERED:
        config = apps.get_app_config(label)
        # Historical app configs hold models but no models module, without which nothing is created.
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0, using=alias)
        config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    own = Permission.objects.using(alias).filter(
        content_type__app_label="costcenters", content_type__model="costcenter"
    )
    for name, permissions in (
        ("Viewer", own.filter(codename__in=VIEWER)),
        ("Editor", own.filter(codename__in=EDITOR)),
        ("Admin", Permission.objects.using(alias).filter(content_type__app_label__in=ADMINISTERED)),
    ):
        group, _ = Group.objects.using(alias).get_or_create(name=name)
        group.permissions.set(permissions)


def remove_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    Group.objects.using(schema_editor.connection.alias).filter(
        name__in=["Viewer", "Editor", "Admin"]
    ).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("finops", "0001_initial"),
        ("costcenters", "0001_initial"),
        ("integrations", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("auditlog", "0017_add_actor_email"),
        ("axes", "0010_accessattemptexpiration"),
    ]

    operations = [migrations.RunPython(make_groups, remove_groups)]
